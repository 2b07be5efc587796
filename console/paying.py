"""Money in and out of a tenant's purchases: asked of the API and spelled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from console import customers
from console.client import PAGE_ROWS, Client
from console.figures import DIGITS, Moment, minor_money, moment, money

Json = Mapping[str, Any]

ADDRESS = "/api/purchases"
COLUMNS = {
    "Purchase": "purchaseId",
    "Customer": "customerId",
    "Package": "packageName",
    "State": "status",
    "Currency": "currency",
    "Amount": "amountMinor",
    "Refunded": "refundedMinor",
    "Paid by": "paidBy",
    "Why it failed": "failureCode",
    "Begun": "createdAt",
    "Paid": "paidAt",
}
MEANS = {"intent": "Card", "checkout": "Payment page"}


@dataclass
class PaymentRow:
    """A payment in a list."""

    purchase_id: str = ""
    customer: str = ""
    what: str = ""
    status: str = ""
    failure: str = ""
    means: str = ""
    amount: str = ""
    refunded: str = ""
    at: Moment = field(default_factory=Moment)


@dataclass
class PaymentPage:
    """One page of payments."""

    rows: list[PaymentRow] = field(default_factory=list)
    next_cursor: str = ""


@dataclass
class Return:
    """Money that went back, or is claimed back."""

    what: str = ""
    status: str = ""
    amount: str = ""
    why: str = ""
    at: Moment = field(default_factory=Moment)


@dataclass
class PaymentDetail:
    """A payment with what went back of it; `left` is what may still be given back."""

    row: PaymentRow = field(default_factory=PaymentRow)
    credits: str = ""
    left: str = ""
    currency: str = ""
    returns: list[Return] = field(default_factory=list)


async def payments(
    api: Client, *, status: str = "", customer_id: str = "", cursor: str = "", now: datetime
) -> PaymentPage:
    """One page, newest first."""
    asked = {"status": status, "customerId": customer_id, "cursor": cursor, "limit": PAGE_ROWS}
    body, known = await api.get_own(ADDRESS, **asked), await customers.names(api)
    return PaymentPage([_row(one, known, now) for one in body["data"]], body["nextCursor"] or "")


async def payment(api: Client, purchase_id: str, *, now: datetime) -> PaymentDetail:
    """One of them."""
    body = await api.get_own(f"{ADDRESS}/{purchase_id}")
    currency = body["currency"]
    left = body["amountMinor"] - body["refundedMinor"]
    return PaymentDetail(
        row=_row(body, await customers.names(api), now),
        credits=money(body["credits"], currency).brief,
        left=minor_money(left, currency) if left and body["status"] == "paid" else "",
        currency=currency,
        returns=[
            *(
                Return(
                    {"requested": "Refund", "reported": "Refund at the provider", "duplicate": "Paid twice"}[
                        one["origin"]
                    ],
                    one["status"],
                    minor_money(one["amountMinor"], currency),
                    one["reason"] or one["failureCode"] or "",
                    moment(one["createdAt"], now),
                )
                for one in body["refunds"]
            ),
            *(
                Return(
                    "Dispute",
                    one["status"],
                    minor_money(one["amountMinor"], currency),
                    "",
                    moment(one["createdAt"], now),
                )
                for one in body["disputes"]
            ),
        ],
    )


async def refund(api: Client, purchase_id: str, *, amount: str, reason: str, currency: str, key: str) -> None:
    """Give money back: all that is left where no amount is said."""
    wanted: dict[str, Any] = {"reason": reason} if reason else {}
    if amount:
        wanted["amountMinor"] = in_minor(amount, currency)
    await api.change("POST", f"{ADDRESS}/{purchase_id}/refunds", json=wanted, headers={"idempotency-key": key})


def in_minor(amount: str, currency: str) -> int | str:
    """`12.34` as minor units; what is no such amount is sent as it is, for the API to name."""
    try:
        minor = Decimal(amount.replace(",", "").removesuffix(currency).strip()).scaleb(DIGITS.get(currency, 2))
    except InvalidOperation:
        return amount
    return int(minor) if minor == minor.to_integral_value() else amount


def _row(body: Json, known: Mapping[str, str], now: datetime) -> PaymentRow:
    currency = body["currency"]
    return PaymentRow(
        purchase_id=body["purchaseId"],
        customer=known.get(body["customerId"], body["customerId"]),
        what=body["packageName"],
        status=body["status"],
        failure=str(body["failureCode"] or "").replace("_", " "),
        means=MEANS.get(body["paidBy"] or "", ""),
        amount=minor_money(body["amountMinor"], currency),
        refunded=minor_money(body["refundedMinor"], currency) if body["refundedMinor"] else "",
        at=moment(body["paidAt"] or body["createdAt"], now),
    )
