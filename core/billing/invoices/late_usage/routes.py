"""The trail of what was corrected of a final invoice, since usage came in or was amended after it."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from sqlalchemy import Row

from core.billing.invoices import service
from core.billing.invoices.errors import InvoiceNotFound
from core.billing.invoices.late_usage import repository
from core.billing.invoices.late_usage.schemas import (
    CreditedAnswer,
    KnownThen,
    LateCorrectionAnswer,
    LateCorrectionsAnswer,
)
from core.foundation.refusals import refusals
from core.identity.scope import Reading

router = APIRouter(prefix="/billing/invoices", tags=["billing"])

_SAME = (
    "item_id", "kind", "code", "description", "period_start", "period_end", "currency", "amount_minor", "as_of_before",
    "as_of", "bill_at", "corrected_on", "corrected_on_number", "occurred_at",
)  # fmt: skip


@router.get("/{invoice_id}/corrections", operation_id="list_invoice_corrections", responses=refusals(InvoiceNotFound))
async def list_corrections(scope: Reading, invoice_id: UUID) -> LateCorrectionsAnswer:
    """What late usage corrected of a final invoice: from what to what, and on which invoice or credit note."""
    async with scope.reading() as unit:
        await service.get_invoice(unit.session, unit.tenant_id, invoice_id)
        rows = await repository.list_corrections(unit.session, unit.tenant_id, invoice_id)
    return LateCorrectionsAnswer(data=[_shown(row) for row in rows])


def _shown(row: Row[Any]) -> LateCorrectionAnswer:
    return LateCorrectionAnswer(
        **{name: getattr(row, name) for name in _SAME},
        correction_id=row.id,
        before=_known(row.inputs["asOfBeforeUsage"]),
        after=_known(row.inputs["asOfUsage"]),
        credit_notes=[
            CreditedAnswer(credit_note_id=one["creditNoteId"], net_minor=one["netMinor"]) for one in row.credited
        ],
    )


def _known(kept: Mapping[str, Any]) -> KnownThen:
    return KnownThen(
        quantity=kept.get("quantity"),
        events=kept.get("events"),
        digest=kept.get("digest"),
        owed_minor=kept.get("owedMinor"),
        charged_minor=kept.get("chargedMinor"),
    )
