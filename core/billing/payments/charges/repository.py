"""Every statement on payments of invoices and their attempts."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.invoices.models import InvoicePayment
from core.billing.payments.charges.models import PaymentAttempt
from core.billing.payments.models import Dispute, Payment, Refund
from core.foundation.money import micro_to_minor

OPEN = ("pending", "failed")


async def find_payment(
    session: AsyncSession, tenant_id: UUID, payment_id: UUID, *, locked: bool = False
) -> Payment | None:
    """A payment of an invoice."""
    statement = select(Payment).where(
        Payment.tenant_id == tenant_id, Payment.id == payment_id, Payment.invoice_id.is_not(None)
    )
    statement = statement.execution_options(populate_existing=True)
    return await session.scalar(statement.with_for_update() if locked else statement)


async def find_open_payment(session: AsyncSession, tenant_id: UUID, invoice_id: UUID) -> Payment | None:
    """The one by which an invoice may be paid now, locked."""
    return await session.scalar(
        select(Payment)
        .where(Payment.tenant_id == tenant_id, Payment.invoice_id == invoice_id, Payment.state.in_(OPEN))
        .with_for_update()
        .execution_options(populate_existing=True)
    )


async def list_payments(session: AsyncSession, tenant_id: UUID, invoice_id: UUID) -> Sequence[Payment]:
    """All of an invoice's, oldest first."""
    return (
        await session.scalars(
            select(Payment).where(Payment.tenant_id == tenant_id, Payment.invoice_id == invoice_id).order_by(Payment.id)
        )
    ).all()


async def list_attempts(session: AsyncSession, tenant_id: UUID, invoice_id: UUID) -> Sequence[PaymentAttempt]:
    """All tries of an invoice, oldest first."""
    return (
        await session.scalars(
            select(PaymentAttempt)
            .where(PaymentAttempt.tenant_id == tenant_id, PaymentAttempt.invoice_id == invoice_id)
            .order_by(PaymentAttempt.id)
        )
    ).all()


async def find_attempt(
    session: AsyncSession, tenant_id: UUID, attempt_id: UUID, *, locked: bool = False
) -> PaymentAttempt | None:
    statement = select(PaymentAttempt).where(PaymentAttempt.tenant_id == tenant_id, PaymentAttempt.id == attempt_id)
    statement = statement.execution_options(populate_existing=True)
    return await session.scalar(statement.with_for_update() if locked else statement)


async def find_pending(session: AsyncSession, tenant_id: UUID, invoice_id: UUID) -> PaymentAttempt | None:
    """The try that has not ended."""
    return await session.scalar(
        select(PaymentAttempt).where(
            PaymentAttempt.tenant_id == tenant_id,
            PaymentAttempt.invoice_id == invoice_id,
            PaymentAttempt.state == "pending",
        )
    )


async def find_last(session: AsyncSession, tenant_id: UUID, payment_id: UUID) -> PaymentAttempt | None:
    """The newest try of a payment, locked."""
    return await session.scalar(
        select(PaymentAttempt)
        .where(PaymentAttempt.tenant_id == tenant_id, PaymentAttempt.payment_id == payment_id)
        .order_by(PaymentAttempt.number.desc())
        .limit(1)
        .with_for_update()
        .execution_options(populate_existing=True)
    )


async def count_attempts(session: AsyncSession, tenant_id: UUID, payment_id: UUID) -> int:
    return (
        await session.scalar(
            select(func.count())
            .select_from(PaymentAttempt)
            .where(PaymentAttempt.tenant_id == tenant_id, PaymentAttempt.payment_id == payment_id)
        )
        or 0
    )


async def list_pending(session: AsyncSession, tenant_id: UUID) -> Sequence[UUID]:
    """Tries of a tenant's that have not ended, oldest first."""
    return (
        await session.scalars(
            select(PaymentAttempt.id)
            .where(PaymentAttempt.tenant_id == tenant_id, PaymentAttempt.state == "pending")
            .order_by(PaymentAttempt.id)
        )
    ).all()


async def drop_unconfirmed(session: AsyncSession, tenant_id: UUID, invoice_id: UUID, *, now: datetime) -> None:
    """Tries that waited for the payer at the bank, and in whose place there is another."""
    await session.execute(
        update(PaymentAttempt)
        .where(
            PaymentAttempt.tenant_id == tenant_id,
            PaymentAttempt.invoice_id == invoice_id,
            PaymentAttempt.state == "action_required",
        )
        .values(state="canceled", concluded_at=now)
    )


async def list_stuck(session: AsyncSession, *, wall_before: datetime, limit: int) -> list[tuple[UUID, UUID]]:
    """Tries that nobody works on any more, of all tenants; as the reading operator."""
    statement = text(
        "SELECT tenant_id, id FROM payment_attempts WHERE state = 'pending' AND recorded_at < :before "
        "AND (lease_until IS NULL OR lease_until < :before) ORDER BY recorded_at LIMIT :limit"
    )
    return [
        (row.tenant_id, row.id) for row in await session.execute(statement, {"before": wall_before, "limit": limit})
    ]


async def list_refunds(session: AsyncSession, tenant_id: UUID, payment_id: UUID) -> Sequence[Refund]:
    return (
        await session.scalars(
            select(Refund)
            .where(Refund.tenant_id == tenant_id, Refund.payment_id == payment_id)
            .order_by(Refund.id)
            .execution_options(populate_existing=True)
        )
    ).all()


async def list_refunds_of(session: AsyncSession, tenant_id: UUID, invoice_id: UUID) -> Sequence[Refund]:
    """All of an invoice's, oldest first."""
    return (
        await session.scalars(
            select(Refund).where(Refund.tenant_id == tenant_id, Refund.invoice_id == invoice_id).order_by(Refund.id)
        )
    ).all()


async def has_refunds_of_note(session: AsyncSession, tenant_id: UUID, credit_note_id: UUID) -> bool:
    """Whether what a credit note gives back was started."""
    found = select(Refund.id).where(Refund.tenant_id == tenant_id, Refund.credit_note_id == credit_note_id)
    return await session.scalar(found.limit(1)) is not None


async def disputed_minor(session: AsyncSession, tenant_id: UUID, payment_id: UUID) -> int:
    """What the payer's bank has taken of a payment."""
    found = select(func.sum(Dispute.amount_minor)).where(
        Dispute.tenant_id == tenant_id, Dispute.payment_id == payment_id, Dispute.state != "won"
    )
    return int(await session.scalar(found) or 0)


async def taken_minor(session: AsyncSession, tenant_id: UUID, invoice_id: UUID, cause_id: UUID) -> int:
    """What went off what was paid of an invoice, by this cause."""
    found = select(func.sum(InvoicePayment.amount_minor)).where(
        InvoicePayment.tenant_id == tenant_id,
        InvoicePayment.invoice_id == invoice_id,
        InvoicePayment.cause_id == cause_id,
    )
    return -int(await session.scalar(found) or 0)


async def find_by_reference(session: AsyncSession, tenant_id: UUID, invoice_id: UUID, reference: str) -> Payment | None:
    """Money by hand that was recorded with a reference."""
    return await session.scalar(
        select(Payment).where(
            Payment.tenant_id == tenant_id,
            Payment.invoice_id == invoice_id,
            Payment.reference == reference,
            Payment.state != "canceled",
        )
    )


async def by_hand_minor(session: AsyncSession, tenant_id: UUID, invoice_id: UUID) -> int:
    """What credit notes give back of an invoice and no card payment can."""
    statement = text(
        "SELECT (SELECT coalesce(sum(n.to_refund_minor), 0) FROM credit_notes n "
        "WHERE n.tenant_id = :tenant AND n.invoice_id = :invoice) - (SELECT coalesce(sum(r.amount_minor), 0) "
        "FROM refunds r WHERE r.tenant_id = :tenant AND r.invoice_id = :invoice AND r.credit_note_id IS NOT NULL "
        "AND r.state IN ('pending', 'succeeded')) - (SELECT coalesce(sum(r.settled_minor), 0) FROM refunds r "
        "WHERE r.tenant_id = :tenant AND r.invoice_id = :invoice AND r.credit_note_id IS NOT NULL)"
    )
    return int(await session.scalar(statement, {"tenant": tenant_id, "invoice": invoice_id}) or 0)


async def note_owes_minor(session: AsyncSession, tenant_id: UUID, credit_note_id: UUID) -> int:
    """What a credit note gives back and nobody was given yet."""
    statement = text(
        "SELECT n.to_refund_minor - coalesce(sum(CASE WHEN r.state IN ('pending', 'succeeded') THEN r.amount_minor "
        "ELSE r.settled_minor END), 0) FROM credit_notes n LEFT JOIN refunds r ON r.tenant_id = n.tenant_id "
        "AND r.credit_note_id = n.id WHERE n.tenant_id = :tenant AND n.id = :note GROUP BY n.to_refund_minor"
    )
    return int(await session.scalar(statement, {"tenant": tenant_id, "note": credit_note_id}) or 0)


async def reported_minor(session: AsyncSession, tenant_id: UUID, payment_id: UUID) -> int:
    """What refunds made at the provider took off a payment's invoice, and no refused refund was settled by yet."""
    statement = text(
        "SELECT (SELECT coalesce(-sum(a.amount_minor), 0) FROM invoice_payments a JOIN refunds r "
        "ON r.tenant_id = a.tenant_id AND r.invoice_id = a.invoice_id AND r.id = a.cause_id WHERE "
        "r.tenant_id = :tenant AND r.payment_id = :payment AND r.origin = 'reported' "
        "AND r.state IN ('pending', 'succeeded')) - (SELECT coalesce(sum(r.settled_minor), 0) FROM refunds r "
        "WHERE r.tenant_id = :tenant AND r.payment_id = :payment AND r.credit_note_id IS NOT NULL)"
    )
    return int(await session.scalar(statement, {"tenant": tenant_id, "payment": payment_id}) or 0)


async def beyond_minor(session: AsyncSession, tenant_id: UUID, payment_id: UUID, currency: str) -> int:
    """What refunds and disputes of a payment hold of its customer's credits, less what was credited again."""
    statement = text(
        "SELECT (SELECT coalesce(sum(d.credits_micro), 0) FROM disputes d WHERE d.tenant_id = :tenant "
        "AND d.payment_id = :payment AND d.state <> 'won') + (SELECT coalesce(sum(r.credits_micro), 0) FROM refunds r "
        "WHERE r.tenant_id = :tenant AND r.payment_id = :payment AND r.state IN ('pending', 'succeeded')) AS taken, "
        "(SELECT coalesce(sum(r.settled_minor), 0) FROM refunds r WHERE r.tenant_id = :tenant "
        "AND r.payment_id = :payment AND r.origin = 'duplicate') AS again"
    )
    found = (await session.execute(statement, {"tenant": tenant_id, "payment": payment_id})).one()
    return micro_to_minor(int(found.taken), currency) - int(found.again)


async def promised_minor(session: AsyncSession, tenant_id: UUID, invoice_id: UUID) -> int:
    """What credit notes give back of what was paid of an invoice."""
    statement = text(
        "SELECT sum(to_refund_minor) FROM credit_notes WHERE tenant_id = :tenant AND invoice_id = :invoice"
    )
    return int(await session.scalar(statement, {"tenant": tenant_id, "invoice": invoice_id}) or 0)


async def find_refund(session: AsyncSession, tenant_id: UUID, refund_id: UUID) -> Refund | None:
    """A refund of an invoice's payment; whoever tries it again holds the invoice."""
    return await session.scalar(
        select(Refund)
        .where(Refund.tenant_id == tenant_id, Refund.id == refund_id, Refund.invoice_id.is_not(None))
        .execution_options(populate_existing=True)
    )


async def find_dispute(session: AsyncSession, tenant_id: UUID, *, account_id: str, provider_id: str) -> Dispute | None:
    return await session.scalar(
        select(Dispute).where(
            Dispute.tenant_id == tenant_id,
            Dispute.provider_account_id == account_id,
            Dispute.provider_id == provider_id,
        )
    )
