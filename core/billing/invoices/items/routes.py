"""Lines that people write: for the run, on a draft, and withdrawn while nobody was billed for them."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from core.billing.invoices import listing, one_off, service
from core.billing.invoices.errors import (
    InvoiceItemNotFound,
    InvoiceNotDraft,
    InvoiceNotFound,
    ItemNotWithdrawable,
    NothingToBill,
)
from core.billing.invoices.items import withdrawing
from core.billing.invoices.items.asked import items_asked_for
from core.billing.invoices.models import Invoice
from core.billing.invoices.schemas import InvoiceDetail, ItemAnswer, ItemsAnswer, MoreLines, NewItems
from core.billing.invoices.showing import detailed, item_answer
from core.billing.tax.errors import TaxRateMissing
from core.foundation.errors import KeyInFlight, KeyReused
from core.foundation.ids import parse_id
from core.foundation.paging import Cursor, Limit, cut
from core.foundation.refusals import refusals
from core.foundation.schemas import Page, dump
from core.identity.idempotency import KeyHeader, answer_once
from core.identity.scope import Reading, Unit, Writing
from core.identity.tenants.customers import CustomerErased, CustomerNotFound

router = APIRouter(prefix="/billing/invoices", tags=["billing"])


@router.get("/items", operation_id="list_invoice_items")
async def list_items(
    scope: Reading,
    customer_id: Annotated[UUID | None, Query(alias="customerId")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ItemAnswer]:
    """What waits to be billed and is on no invoice yet, in the order it was written."""
    after = parse_id(cursor, "cursor") if cursor is not None else None
    async with scope.reading() as unit:
        rows = await listing.list_waiting(
            unit.session, unit.tenant_id, customer_id=customer_id, after=after, limit=limit + 1
        )
    page, last = cut(rows, limit)
    return Page(
        data=[item_answer(row) for row in page],
        next_cursor=str(last.id) if last else None,
    )


@router.post(
    "/items",
    operation_id="create_invoice_items",
    status_code=201,
    responses=refusals(CustomerNotFound, CustomerErased, NothingToBill, KeyReused, KeyInFlight),
)
async def create_items(scope: Writing, body: NewItems, idempotency_key: KeyHeader = None) -> ItemsAnswer:
    """Writes lines that the run bills at `billAt`."""
    async with scope.writing() as unit:

        async def write() -> ItemsAnswer:
            items = await items_asked_for(unit, body.customer_id, body.currency, body.lines, bill_at=body.bill_at)
            unit.session.add_all(items)
            await unit.session.flush()
            return ItemsAnswer(data=[item_answer(item) for item in items])

        answer = await answer_once(unit, write, door="invoice_items", key=idempotency_key, document=dump(body))
    return ItemsAnswer.model_validate(answer)


@router.delete(
    "/items/{item_id}",
    operation_id="withdraw_invoice_item",
    responses=refusals(InvoiceItemNotFound, ItemNotWithdrawable),
)
async def withdraw_item(scope: Writing, item_id: UUID) -> ItemAnswer:
    """Withdraws a line that somebody wrote and that still waits for the run; what it said."""
    async with scope.writing() as unit:
        return item_answer(await withdrawing.withdraw_waiting(unit.session, tenant_id=unit.tenant_id, item_id=item_id))


@router.post(
    "/{invoice_id}/lines",
    operation_id="add_invoice_lines",
    status_code=201,
    responses=refusals(InvoiceNotFound, InvoiceNotDraft, TaxRateMissing, NothingToBill, KeyReused, KeyInFlight),
)
async def add_lines(
    scope: Writing, invoice_id: UUID, body: MoreLines, idempotency_key: KeyHeader = None
) -> InvoiceDetail:
    """Writes lines on a draft, in its currency."""
    async with scope.writing() as unit:

        async def write() -> InvoiceDetail:
            draft = await _draft(unit, invoice_id)
            items = await items_asked_for(unit, draft.customer_id, draft.currency, body.lines, bill_at=draft.bill_at)
            bill = await one_off.add_to_draft(unit.session, draft, items)
            return detailed(draft, [], bill)

        document = {**dump(body), "invoiceId": str(invoice_id)}
        answer = await answer_once(unit, write, door="invoice_lines", key=idempotency_key, document=document)
    return InvoiceDetail.model_validate(answer)


@router.delete(
    "/{invoice_id}/lines/{item_id}",
    operation_id="withdraw_invoice_line",
    responses=refusals(InvoiceNotFound, InvoiceNotDraft, InvoiceItemNotFound, ItemNotWithdrawable, TaxRateMissing),
)
async def withdraw_line(scope: Writing, invoice_id: UUID, item_id: UUID) -> InvoiceDetail:
    """Withdraws a line that somebody wrote, by its `itemId`, from a draft; what the draft comes to without it.

    409 `invoice_line_not_withdrawable` for what the run computes, `invoice_not_draft` for what is final.
    """
    async with scope.writing() as unit:
        draft = await _draft(unit, invoice_id)
        return detailed(draft, [], await withdrawing.withdraw_from_draft(unit.session, draft, item_id))


async def _draft(unit: Unit, invoice_id: UUID) -> Invoice:
    draft = await service.get_invoice(unit.session, unit.tenant_id, invoice_id, lock=True)
    if draft.state != "draft":
        raise InvoiceNotDraft(draft.state)
    return draft
