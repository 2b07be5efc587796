"""Credit notes: issued on an invoice, listed, and as documents."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from core.billing.invoices import crediting, service
from core.billing.invoices.documenting import credit_note_document
from core.billing.invoices.documents.pdf import render_pdf
from core.billing.invoices.documents.xml import NoElectronicInvoice, render_xml
from core.billing.invoices.errors import (
    CreditDestinationInvalid,
    CreditEmpty,
    CreditNoteNotFound,
    CreditTooLarge,
    InvoiceNotFinal,
    InvoiceNotFound,
    InvoiceStateRefused,
    NumbersHeld,
)
from core.billing.invoices.routes import PDF, XML
from core.billing.invoices.schemas import CreditLineAnswer, CreditNoteAnswer, CreditNoteDetail, NewCreditNote
from core.billing.invoices.showing import credit_note
from core.foundation.errors import InvalidInput, KeyInFlight, KeyReused
from core.foundation.ids import parse_id
from core.foundation.paging import Cursor, Limit, cut
from core.foundation.refusals import refusals
from core.foundation.schemas import Page, dump
from core.identity.idempotency import KeyHeader, answer_once
from core.identity.scope import Reading, Writing

router = APIRouter(prefix="/billing", tags=["billing"])


@router.post(
    "/invoices/{invoice_id}/credit-notes",
    operation_id="create_credit_note",
    status_code=201,
    responses=refusals(
        InvoiceNotFound,
        InvoiceNotFinal,
        InvoiceStateRefused,
        CreditTooLarge,
        CreditEmpty,
        CreditDestinationInvalid,
        NumbersHeld,
        KeyReused,
        KeyInFlight,
    ),
)
async def create_credit_note(
    scope: Writing, invoice_id: UUID, body: NewCreditNote, idempotency_key: KeyHeader = None
) -> CreditNoteAnswer:
    """Takes lines of a final invoice back, wholly or in part, with their tax."""
    lines = {line.line_id: line.amount_minor for line in body.lines} if body.lines is not None else None
    if lines is not None and body.lines is not None and len(lines) < len(body.lines):
        raise InvalidInput("lines", "name a line twice: give what is taken back of it as one amount")
    async with scope.writing() as unit:

        async def issue() -> CreditNoteAnswer:
            note = await crediting.issue(
                unit.session,
                tenant_id=unit.tenant_id,
                invoice_id=invoice_id,
                lines=lines,
                to=crediting.Destinations(body.refund_minor, body.wallet_minor),
                reason=body.reason,
                memo=body.memo,
                by=unit.actor.id,
                now=unit.now,
            )
            invoice = await service.get_invoice(unit.session, unit.tenant_id, invoice_id)
            return credit_note(note, invoice.number)

        answer = await answer_once(
            unit,
            issue,
            door="credit_notes",
            key=idempotency_key,
            document={**dump(body), "invoiceId": str(invoice_id)},
        )
    return CreditNoteAnswer.model_validate(answer)


@router.get("/credit-notes", operation_id="list_credit_notes")
async def list_credit_notes(
    scope: Reading,
    invoice_id: Annotated[UUID | None, Query(alias="invoiceId")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[CreditNoteAnswer]:
    """Credit notes, newest first."""
    before = parse_id(cursor, "cursor") if cursor is not None else None
    async with scope.reading() as unit:
        rows = await crediting.list_credit_notes(
            unit.session, unit.tenant_id, invoice_id=invoice_id, before=before, limit=limit + 1
        )
    page, last = cut(rows, limit)
    return Page(data=[credit_note(row, row.invoice_number) for row in page], next_cursor=str(last.id) if last else None)


@router.get("/credit-notes/{credit_note_id}", operation_id="get_credit_note", responses=refusals(CreditNoteNotFound))
async def get_credit_note(scope: Reading, credit_note_id: UUID) -> CreditNoteDetail:
    """One credit note with its lines."""
    async with scope.reading() as unit:
        note = await crediting.get_credit_note(unit.session, unit.tenant_id, credit_note_id)
        invoice = await service.get_invoice(unit.session, unit.tenant_id, note.invoice_id)
        lines = await crediting.list_credit_lines(unit.session, unit.tenant_id, note.id)
    return CreditNoteDetail(
        **credit_note(note, invoice.number).model_dump(),
        lines=[
            CreditLineAnswer(
                line_id=row.invoice_line_id,
                description=row.description,
                net_minor=row.net_minor,
                tax_minor=row.tax_minor,
                tax_rate=row.tax_rate,
                tax_category=row.tax_category,
            )
            for row in lines
        ],
    )


@router.get(
    "/credit-notes/{credit_note_id}/pdf",
    operation_id="get_credit_note_pdf",
    response_class=Response,
    responses={**refusals(CreditNoteNotFound), **PDF},
)
async def get_pdf(scope: Reading, credit_note_id: UUID) -> Response:
    """The credit note as PDF/A-3 with the e-invoice inside."""
    async with scope.reading() as unit:
        note = await crediting.get_credit_note(unit.session, unit.tenant_id, credit_note_id)
        invoice = await service.get_invoice(unit.session, unit.tenant_id, note.invoice_id)
        document = await credit_note_document(unit.session, note, invoice)
    return Response(
        render_pdf(document),
        media_type="application/pdf",
        headers={"Content-Disposition": f'inline; filename="{note.number}.pdf"'},
    )


@router.get(
    "/credit-notes/{credit_note_id}/xml",
    operation_id="get_credit_note_xml",
    response_class=Response,
    responses={**refusals(CreditNoteNotFound, NoElectronicInvoice), **XML},
)
async def get_xml(scope: Reading, credit_note_id: UUID) -> Response:
    """The e-invoice of the credit note by itself."""
    async with scope.reading() as unit:
        note = await crediting.get_credit_note(unit.session, unit.tenant_id, credit_note_id)
        invoice = await service.get_invoice(unit.session, unit.tenant_id, note.invoice_id)
        document = await credit_note_document(unit.session, note, invoice)
    return Response(
        render_xml(document),
        media_type="application/xml",
        headers={"Content-Disposition": f'attachment; filename="{note.number}.xml"'},
    )
