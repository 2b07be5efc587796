"""Taking back what somebody wrote by hand: while it waits to be billed, or stands on a draft.

Nothing was told to anybody of it yet, so the row goes; who took it back, and what it said, stands in the audit log.
"""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.invoices import one_off, repository
from core.billing.invoices.bills import Bill
from core.billing.invoices.errors import InvoiceItemNotFound, ItemNotWithdrawable
from core.billing.invoices.models import Invoice
from core.billing.subscriptions.models import InvoiceItem


async def withdraw_waiting(session: AsyncSession, *, tenant_id: UUID, item_id: UUID) -> InvoiceItem:
    """Takes a waiting line back; what it said. Raises InvoiceItemNotFound, ItemNotWithdrawable."""
    item = await _find(session, tenant_id, item_id)
    # The run holds this lock from before it reads what waits until it has put it on a draft.
    await repository.lock_customer_to_bill(session, tenant_id, item.customer_id)
    item = await _find(session, tenant_id, item_id)
    if item.invoice_id is not None:
        raise ItemNotWithdrawable(f"it is on invoice {item.invoice_id} by now: take it off there while that is a draft")
    await _delete(session, item)
    return item


async def withdraw_from_draft(session: AsyncSession, draft: Invoice, item_id: UUID) -> Bill:
    """Takes a line off a draft, which is locked; what it comes to without. Raises as `withdraw_waiting`."""
    item = await _find(session, draft.tenant_id, item_id)
    if item.invoice_id != draft.id:
        raise InvoiceItemNotFound
    await _delete(session, item)
    return await one_off.work_out_draft(session, draft)


async def _find(session: AsyncSession, tenant_id: UUID, item_id: UUID) -> InvoiceItem:
    found = await session.get(InvoiceItem, (tenant_id, item_id), populate_existing=True)
    if found is None:
        raise InvoiceItemNotFound
    return found


async def _delete(session: AsyncSession, item: InvoiceItem) -> None:
    if item.kind != "one_off" or item.subscription_id is not None:
        raise ItemNotWithdrawable(f"it is worked out by the run ({item.kind}), and nobody wrote it by hand")
    session.expunge(item)
    await session.execute(_DELETE, {"tenant": item.tenant_id, "id": item.id})


_DELETE = text("DELETE FROM invoice_items WHERE tenant_id = :tenant AND id = :id")
