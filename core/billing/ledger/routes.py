"""GET /api/ledger."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from sqlalchemy import Row

from core.billing.ledger import statement
from core.billing.ledger.schemas import PostingAnswer, TransactionKind
from core.foundation.ids import parse_id
from core.foundation.schemas import Page
from core.identity.scope import Reading

router = APIRouter(prefix="/api/ledger", tags=["ledger"])

DESCRIPTIONS = {
    "purchase": "Credits bought",
    "refund": "Purchase refunded",
    "refund_reversal": "Refund that failed, credited again",
    "dispute": "Payment disputed",
    "dispute_reversal": "Dispute won, credited again",
    "receivable_payment": "Owed credits paid",
    "expiry": "Credits expired",
    "grant": "Credits granted",
    "adjustment": "Adjusted by hand",
    "invoice": "Invoice paid from credits",
    "invoice_credit": "Credited by an invoice",
}


@router.get("", summary="Settled postings of wallets, newest first")
async def list_postings(
    scope: Reading,
    customer_id: Annotated[UUID | None, Query(alias="customerId")] = None,
    kind: TransactionKind | None = None,
    limit: Annotated[int, Query(ge=1, le=200, description="How many a page may hold")] = 50,
    cursor: Annotated[str | None, Query(max_length=100, description="`nextCursor` of the page before")] = None,
) -> Page[PostingAnswer]:
    """Charges are negative. A wallet's `balanceAfter` is the sum of its amounts so far; open holds are not in it."""
    before = parse_id(cursor, "cursor") if cursor else None
    async with scope.reading() as unit:
        postings = await statement.list_postings(
            unit.session, unit.tenant_id, customer_id=customer_id, kind=kind, before=before, limit=limit + 1
        )
    return Page(
        data=[_posting(posting) for posting in postings[:limit]],
        next_cursor=str(postings[limit - 1].id) if len(postings) > limit else None,
    )


def _posting(posting: Row[Any]) -> PostingAnswer:
    return PostingAnswer(
        transaction_id=posting.id,
        kind=posting.kind,
        amount=posting.amount_micro,
        currency=posting.currency,
        balance_after=posting.balance_after_micro,
        receivable=posting.receivable_micro,
        limited=posting.limited_micro,
        occurred_at=posting.occurred_at,
        recorded_at=posting.recorded_at,
        customer_id=posting.customer_id,
        description=_description(posting),
        usage_event_id=posting.event_id,
        purchase_id=UUID(posting.reference) if posting.kind == "purchase" else None,
    )


def _description(posting: Row[Any]) -> str:
    if posting.kind == "usage":
        return f"{posting.model}: {posting.input_tokens} input and {posting.output_tokens} output tokens"
    return DESCRIPTIONS[posting.kind]
