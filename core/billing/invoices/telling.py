"""What others are told of invoices: ids, figures, states and instants.

One renewal is told to programs by its outcome, as to people (notifications/planning.py): `subscription.renewed` (where
it ends a trial, `subscription.activated`) once its invoice is settled, which is paid, nothing to pay, or sent to be
paid by a date; never after a failure of that invoice was told, and no failure after it.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.invoices.models import CreditNote, Invoice
from core.billing.subscriptions import renewals
from core.foundation.outbox import Fact, tell, tell_many, told_of

FAILURES = ("payment.failed", "invoice.payment_failed", "dunning.started")

Told = tuple[str, Invoice | Any]
"""The kind, and the invoice it is about."""


async def tell_invoice(session: AsyncSession, kind: str, invoice: Invoice, *, now: datetime) -> None:
    """Tells a fact of one invoice; `kind` is like `invoice.paid`. Money that came twice is told twice."""
    await tell(
        session,
        tenant_id=invoice.tenant_id,
        kind=kind,
        subject_id=invoice.id,
        customer_id=invoice.customer_id,
        occurred_at=now,
        document=document_of(invoice),
        fact=_instant(now) or "" if kind == "invoice.paid" else "",
    )


async def tell_all(session: AsyncSession, facts: Iterable[Told], *, tenant_id: UUID, now: datetime) -> None:
    """The facts of many invoices in one statement; one that was told before is not told again."""
    await tell_many(
        session,
        [
            Fact(
                kind=kind,
                subject_id=invoice.id,
                fact=_instant(now) or "" if kind == "invoice.paid" else "",
                customer_id=invoice.customer_id,
                document=document_of(invoice),
                occurred_at=now,
            )
            for kind, invoice in facts
        ],
        tenant_id=tenant_id,
    )


async def tell_settled(session: AsyncSession, invoices: Collection[UUID], *, tenant_id: UUID, now: datetime) -> None:
    """These are settled, or became nothing: the renewals they bill are told, but of what failed before."""
    failed = await told_of(session, invoices, tenant_id=tenant_id, kinds=FAILURES)
    await renewals.tell_settled(session, set(invoices) - failed, tenant_id=tenant_id, now=now)


async def is_failure_news(session: AsyncSession, invoice: Invoice) -> bool:
    """Whether a failed payment of it is told: not once it was told as settled.

    Of one that is sent the payer tries by themselves, and sees what came of it.
    """
    if invoice.collection == "send_invoice":
        return False
    return not await told_of(session, [invoice.id], tenant_id=invoice.tenant_id, kinds=["invoice.paid"])


async def tell_credit_note(session: AsyncSession, note: CreditNote, invoice: Invoice, *, now: datetime) -> None:
    """A credit note was issued."""
    await tell(
        session,
        tenant_id=note.tenant_id,
        kind="credit_note.issued",
        subject_id=note.id,
        customer_id=note.customer_id,
        occurred_at=now,
        document={
            "creditNoteId": str(note.id),
            "number": note.number,
            "invoiceId": str(invoice.id),
            "invoiceNumber": invoice.number,
            "currency": note.currency,
            "totalMinor": note.total_minor,
            "toOpenMinor": note.to_open_minor,
            "toWalletMinor": note.to_wallet_minor,
            "toRefundMinor": note.to_refund_minor,
            "reason": note.reason,
        },
    )


def document_of(invoice: Invoice | Any) -> Mapping[str, Any]:
    """What a webhook carries of an invoice."""
    return {
        "invoiceId": str(invoice.id),
        "number": invoice.number,
        "status": invoice.state,
        "currency": invoice.currency,
        "totalMinor": invoice.total_minor,
        "openMinor": invoice.open_minor,
        "dueAt": _instant(invoice.due_at),
        "collection": invoice.collection,
        "subscriptionId": str(invoice.subscription_id) if invoice.subscription_id else None,
        "periodStart": _instant(invoice.period_start),
        "periodEnd": _instant(invoice.period_end),
    }


def _instant(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z") if at is not None else None
