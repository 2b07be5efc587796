"""What an invoice keeps beside its lines: its head, seller and buyer as its taxes saw them. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from core.billing.customers.tax_ids import country_of
from core.billing.tax.rules import Buyer, Seller


def written_head(invoice: Any, *, as_of: datetime, due_at: datetime | None, parties: bytes) -> dict[str, Any]:
    """What the row of an invoice (or a row read from it) says, and its sealed parties by their digest alone."""
    return {
        "customerId": str(invoice.customer_id),
        "subscriptionId": str(invoice.subscription_id) if invoice.subscription_id else None,
        "currency": invoice.currency,
        "collection": invoice.collection,
        "billAt": _instant(invoice.bill_at),
        "dueAt": _instant(due_at),
        "asOf": _instant(as_of),
        "memo": sha256((invoice.memo or "").encode()).hexdigest(),
        "parties": sha256(parties).hexdigest(),
    }


def _instant(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat() if at is not None else None


def written_seller(seller: Seller) -> dict[str, Any]:
    """The seller as the rules look at it."""
    return {
        "country": seller.country,
        "region": seller.region,
        "taxIds": dict(seller.tax_ids),
        "oneStopShop": seller.one_stop_shop,
        "rounding": seller.rounding,
    }


def written_buyer(buyer: Buyer) -> dict[str, Any]:
    """What the rules look at, and nothing that says who it is: of the tax number its country alone."""
    return {
        "country": buyer.country,
        "region": buyer.region,
        "taxIdOf": buyer.tax_id[:2] if buyer.tax_id and country_of(buyer.tax_id) else None,
        "treatment": buyer.treatment,
    }


def read_seller(inputs: Mapping[str, Any]) -> Seller:
    """The seller as an invoice kept it."""
    return Seller(
        country=inputs["country"],
        region=inputs["region"],
        tax_ids=inputs["taxIds"],
        one_stop_shop=inputs["oneStopShop"],
        rounding=inputs["rounding"],
    )


def read_buyer(inputs: Mapping[str, Any]) -> Buyer:
    """The buyer as the rules saw it."""
    return Buyer(
        country=inputs["country"],
        region=inputs["region"],
        tax_id=inputs["taxIdOf"],
        treatment=inputs["treatment"],
    )
