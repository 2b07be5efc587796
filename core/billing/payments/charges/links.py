"""Addresses by which a customer pays an invoice without signing in: sealed, so that nobody can make one up."""

from datetime import timedelta
from uuid import UUID

import orjson

from core.billing.payments.charges.errors import PaymentLinkInvalid
from core.foundation.crypto import Sealer
from core.foundation.settings import Settings

VALID_FOR = timedelta(days=30)
"""By the wall clock."""


def make(settings: Settings, *, tenant_id: UUID, invoice_id: UUID) -> str:
    """The token of a link."""
    content = orjson.dumps({"pay": [str(tenant_id), str(invoice_id)]})
    return Sealer(settings).seal(content).decode()


def page_of(settings: Settings, token: str) -> str:
    """The page that a link leads to."""
    return f"{settings.public_api_url}/payment/pay/{token}/page"


def read(settings: Settings, token: str) -> tuple[UUID, UUID]:
    """Tenant and invoice of a link. Raises PaymentLinkInvalid."""
    try:
        content = Sealer(settings).open_fresh(
            token.encode("utf-8", "replace"), within_seconds=int(VALID_FOR.total_seconds())
        )
        tenant_id, invoice_id = orjson.loads(content or b"null")["pay"]
        return UUID(tenant_id), UUID(invoice_id)
    except (KeyError, TypeError, ValueError):
        raise PaymentLinkInvalid from None
