"""/billing/invoices: drafts, final invoices, their lines and documents, and what happens to them."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response

from core.billing.invoices import finalizing, listing, one_off, service
from core.billing.invoices.documenting import invoice_document
from core.billing.invoices.documents.pdf import render_pdf
from core.billing.invoices.documents.xml import NoElectronicInvoice, render_xml
from core.billing.invoices.errors import (
    InvoiceNotDraft,
    InvoiceNotFinal,
    InvoiceNotFound,
    InvoiceStateRefused,
    NothingToBill,
    NumbersHeld,
)
from core.billing.invoices.items.asked import items_asked_for
from core.billing.invoices.models import Invoice
from core.billing.invoices.recomputing.recompute import find_final, recompute
from core.billing.invoices.schemas import (
    DriftAnswer,
    InvoiceAnswer,
    InvoiceDetail,
    LineAnswer,
    NewInvoice,
    RecomputedAnswer,
    State,
)
from core.billing.invoices.showing import detailed, line_of, lines_of, shown
from core.billing.tax.errors import TaxRateMissing
from core.foundation.errors import KeyInFlight, KeyReused
from core.foundation.paging import Cursor, Limit, cut, decode_cursor, encode_cursor
from core.foundation.refusals import refusals
from core.foundation.schemas import Page, Text, dump
from core.foundation.sorting import describe_sorts, page_of, read_sort
from core.identity.idempotency import KeyHeader, answer_once
from core.identity.scope import Reading, Writing
from core.identity.tenants.customers import CustomerErased, CustomerNotFound

router = APIRouter(prefix="/billing/invoices", tags=["billing"])

PDF: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/pdf": {"schema": {"type": "string", "format": "binary"}}}}
}
XML: dict[int | str, dict[str, Any]] = {200: {"content": {"application/xml": {"schema": {"type": "string"}}}}}


@router.get("", operation_id="list_invoices")
async def list_invoices(
    scope: Reading,
    status: Annotated[State | None, Query()] = None,
    customer_id: Annotated[UUID | None, Query(alias="customerId")] = None,
    subscription_id: Annotated[UUID | None, Query(alias="subscriptionId")] = None,
    number: Annotated[Text | None, Query(max_length=60, description="A part of the number.")] = None,
    sort: Annotated[str, Query(max_length=20, description=describe_sorts(listing.SORTS))] = "-createdAt",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[InvoiceAnswer]:
    """Invoices, newest first."""
    by = read_sort(sort, listing.SORTS)
    async with scope.reading() as unit:
        rows = await listing.list_invoices(
            unit.session,
            unit.tenant_id,
            state=status,
            customer_id=customer_id,
            subscription_id=subscription_id,
            number=number,
            sort=by,
            cursor=cursor,
            limit=limit + 1,
        )
    page, next_cursor = page_of(rows, limit)
    return Page(data=[shown(row) for row in page], next_cursor=next_cursor)


@router.post(
    "",
    operation_id="create_invoice",
    status_code=201,
    responses=refusals(
        CustomerNotFound, CustomerErased, NothingToBill, TaxRateMissing, NumbersHeld, KeyReused, KeyInFlight
    ),
)
async def create_invoice(scope: Writing, body: NewInvoice, idempotency_key: KeyHeader = None) -> InvoiceAnswer:
    """Writes an invoice by hand: a draft, or with `finalize` final at once."""
    async with scope.writing() as unit:

        async def write() -> InvoiceAnswer:
            items = await items_asked_for(unit, body.customer_id, body.currency, body.lines, bill_at=None)
            invoice = await one_off.draft_by_hand(
                unit.session,
                items,
                tenant_id=unit.tenant_id,
                now=unit.now,
                memo=body.memo,
                collection=body.collection,
            )
            if body.finalize:
                await finalizing.finalize_drafts(unit.session, [invoice.id], tenant_id=unit.tenant_id, now=unit.now)
            return shown(await service.get_invoice(unit.session, unit.tenant_id, invoice.id, lock=True))

        answer = await answer_once(unit, write, door="invoices", key=idempotency_key, document=dump(body))
    return InvoiceAnswer.model_validate(answer)


@router.get("/{invoice_id}", operation_id="get_invoice", responses=refusals(InvoiceNotFound))
async def get_invoice(scope: Reading, invoice_id: UUID) -> InvoiceDetail:
    """One invoice; a draft as it comes to now."""
    async with scope.reading() as unit:
        invoice = await service.get_invoice(unit.session, unit.tenant_id, invoice_id)
        if invoice.state == "draft":
            return detailed(invoice, [], await listing.bill_of(unit.session, invoice))
        return detailed(invoice, await listing.list_taxes(unit.session, invoice))


@router.get("/{invoice_id}/lines", operation_id="list_invoice_lines", responses=refusals(InvoiceNotFound))
async def list_lines(scope: Reading, invoice_id: UUID, limit: Limit = 50, cursor: Cursor = None) -> Page[LineAnswer]:
    """Its lines with the arithmetic of each; those of a draft as they come to now."""
    after = (decode_cursor(cursor, int) or [0])[0]
    async with scope.reading() as unit:
        invoice = await service.get_invoice(unit.session, unit.tenant_id, invoice_id)
        if invoice.state == "draft":
            lines = lines_of(await listing.bill_of(unit.session, invoice))
            page, more = lines[after : after + limit], len(lines) > after + limit
            return Page(data=page, next_cursor=encode_cursor(after + limit) if more else None)
        rows = await listing.list_lines(unit.session, invoice, after=after, limit=limit + 1)
    kept, last = cut(rows, limit)
    return Page(data=[line_of(row) for row in kept], next_cursor=encode_cursor(last.position) if last else None)


@router.post(
    "/{invoice_id}/finalize",
    operation_id="finalize_invoice",
    responses=refusals(InvoiceNotFound, InvoiceNotDraft, TaxRateMissing, NumbersHeld),
)
async def finalize_invoice(scope: Writing, invoice_id: UUID) -> InvoiceAnswer:
    """Makes a draft final before its grace is over: worked out anew, numbered, unchangeable from then on."""
    async with scope.writing() as unit:
        invoice = await service.get_invoice(unit.session, unit.tenant_id, invoice_id, lock=True)
        if invoice.state != "draft":
            raise InvoiceNotDraft(invoice.state)
        await finalizing.finalize_drafts(unit.session, [invoice.id], tenant_id=unit.tenant_id, now=unit.now)
        return shown(await service.get_invoice(unit.session, unit.tenant_id, invoice_id, lock=True))


@router.post(
    "/{invoice_id}/void", operation_id="void_invoice", responses=refusals(InvoiceNotFound, InvoiceStateRefused)
)
async def void_invoice(scope: Writing, invoice_id: UUID) -> InvoiceAnswer:
    """Nothing is owed of it any more; its number stays, credits used on it go back into the wallet."""
    return await _turn(scope, invoice_id, service.void)


@router.post(
    "/{invoice_id}/uncollectible",
    operation_id="mark_invoice_uncollectible",
    responses=refusals(InvoiceNotFound, InvoiceStateRefused),
)
async def mark_uncollectible(scope: Writing, invoice_id: UUID) -> InvoiceAnswer:
    """Gives an open invoice up; money that still comes is taken."""
    return await _turn(scope, invoice_id, service.mark_uncollectible)


@router.get(
    "/{invoice_id}/recomputation",
    operation_id="recompute_invoice",
    responses=refusals(InvoiceNotFound, InvoiceNotFinal),
)
async def recompute_invoice(scope: Reading, invoice_id: UUID) -> RecomputedAnswer:
    """Works a final invoice out anew from raw events and price versions, and says what differs."""
    async with scope.reading() as unit:
        invoice = await service.get_invoice(unit.session, unit.tenant_id, invoice_id)
        if invoice.number is None:
            raise InvoiceNotFinal
        rows = await find_final(unit.session, unit.tenant_id, invoice_id)
        drifts = await recompute(unit.session, rows, tenant_id=unit.tenant_id, slug=scope.slug)
    return RecomputedAnswer(
        invoice_id=invoice.id,
        number=invoice.number,
        drifted=bool(drifts),
        drifts=[DriftAnswer(line=drift.line, cause=drift.cause, detail=drift.detail) for drift in drifts],
    )


@router.get(
    "/{invoice_id}/pdf",
    operation_id="get_invoice_pdf",
    response_class=Response,
    responses={**refusals(InvoiceNotFound, InvoiceNotFinal), **PDF},
)
async def get_pdf(scope: Reading, invoice_id: UUID) -> Response:
    """The invoice as PDF/A-3 with the e-invoice inside."""
    async with scope.reading() as unit:
        invoice = await service.get_invoice(unit.session, unit.tenant_id, invoice_id)
        document = await invoice_document(unit.session, invoice)
    return Response(
        render_pdf(document),
        media_type="application/pdf",
        headers={"Content-Disposition": f'inline; filename="{invoice.number}.pdf"'},
    )


@router.get(
    "/{invoice_id}/xml",
    operation_id="get_invoice_xml",
    response_class=Response,
    responses={**refusals(InvoiceNotFound, InvoiceNotFinal, NoElectronicInvoice), **XML},
)
async def get_xml(scope: Reading, invoice_id: UUID) -> Response:
    """The e-invoice by itself: EN 16931 in Cross Industry Invoice syntax."""
    async with scope.reading() as unit:
        invoice = await service.get_invoice(unit.session, unit.tenant_id, invoice_id)
        document = await invoice_document(unit.session, invoice)
    return Response(
        render_xml(document),
        media_type="application/xml",
        headers={"Content-Disposition": f'attachment; filename="{invoice.number}.xml"'},
    )


async def _turn(scope: Writing, invoice_id: UUID, turn: Callable[..., Awaitable[Invoice]]) -> InvoiceAnswer:
    async with scope.writing() as unit:
        return shown(await turn(unit.session, tenant_id=unit.tenant_id, invoice_id=invoice_id, now=unit.now))
