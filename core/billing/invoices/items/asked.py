"""Lines as somebody asks for them, made what is to be billed."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from core.billing.invoices import listing, one_off
from core.billing.invoices.schemas import NewLine
from core.billing.subscriptions.models import InvoiceItem
from core.foundation.money import minor_digits
from core.identity.scope import Unit
from core.identity.tenants.customers import CustomerNotFound, refuse_erased


async def items_asked_for(
    unit: Unit, customer_id: UUID, currency: str | None, lines: Sequence[NewLine], *, bill_at: datetime | None
) -> list[InvoiceItem]:
    """Items, not yet written, of these lines; in the customer's currency without another, billed not before now.

    Raises CustomerNotFound, CustomerErased, NothingToBill, InvalidInput.
    """
    own = await listing.currency_of(unit.session, unit.tenant_id, customer_id)
    if own is None:
        raise CustomerNotFound
    chosen = currency or own
    minor_digits(chosen)
    await refuse_erased(unit.session, unit.tenant_id, customer_id)
    written = [one_off.Written(**{name: getattr(line, name) for name in type(line).model_fields}) for line in lines]
    return one_off.make_items(
        written,
        tenant_id=unit.tenant_id,
        customer_id=customer_id,
        currency=chosen,
        bill_at=max(bill_at or unit.now, unit.now),
        now=unit.now,
    )
