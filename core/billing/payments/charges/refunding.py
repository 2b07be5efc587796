"""Money of invoices that goes back: what a credit note promised, what came twice, and what the provider reports."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid5

from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.credits import service as credits
from core.billing.credits.invoicing import credit_from_invoice
from core.billing.invoices import crediting
from core.billing.invoices import service as invoices
from core.billing.payments.charges import charging, repository
from core.billing.payments.charges.errors import RefundNotFound, RefundNotRefused
from core.billing.payments.models import Dispute, Payment, Refund
from core.foundation.money import minor_to_micro
from core.foundation.outbox import tell

GONE = ("pending", "succeeded")
_REVERSED = UUID("5d1f0d4e-8f0b-5d55-9d3f-6f7f3c1d7a11")
"""Names what a refund that failed, or a dispute that was won, brings back: a cause of its own."""


async def execute(
    session: AsyncSession, *, tenant_id: UUID, credit_note_id: UUID, now: datetime, wall: datetime
) -> Sequence[Refund]:
    """Starts what a credit note gives back, once: by the newest card payments first. What came by hand goes by hand."""
    note = await crediting.get_credit_note(session, tenant_id, credit_note_id)
    await invoices.get_invoice(session, tenant_id, note.invoice_id, lock=True)
    if await repository.has_refunds_of_note(session, tenant_id, credit_note_id):
        return []
    left_minor, started = note.to_refund_minor, list[Refund]()
    for payment in reversed(await repository.list_payments(session, tenant_id, note.invoice_id)):
        part_minor = min(left_minor, await _refundable_minor(session, payment))
        if part_minor > 0:
            left_minor -= part_minor
            started.append(
                await charging.give_back(
                    session,
                    payment,
                    amount_minor=part_minor,
                    reason=f"credit note {note.number}",
                    credit_note_id=note.id,
                    now=now,
                    wall=wall,
                )
            )
    return started


async def retry(
    session: AsyncSession, *, tenant_id: UUID, invoice_id: UUID, refund_id: UUID, now: datetime, wall: datetime
) -> tuple[Refund, bool]:
    """Tries a refund again that the provider refused, as a refund of its own; and whether that was done before.

    What a refund made at the provider's dashboard gave back meanwhile counts for what its credit note promised, and
    only the rest is asked for; where nothing is left to ask for, the answer is the refused refund itself.

    Raises InvoiceNotFound, RefundNotFound, RefundNotRefused.
    """
    await invoices.get_invoice(session, tenant_id, invoice_id, lock=True)
    refused = await repository.find_refund(session, tenant_id, refund_id)
    if refused is None or refused.invoice_id != invoice_id:
        raise RefundNotFound
    if refused.origin == "reported" or refused.state in GONE:
        raise RefundNotRefused(
            f"It is {refused.state}, {refused.origin}: only what the provider refused is tried again."
        )
    payment = await repository.find_payment(session, tenant_id, refused.payment_id, locked=True)
    assert payment is not None, "payments are never deleted"
    again: Refund | None = None
    for known in await repository.list_refunds(session, tenant_id, payment.id):
        same = (known.origin, known.credit_note_id) == (refused.origin, refused.credit_note_id)
        if known.id > refused.id and known.state in GONE and same:
            again = known
    owed_minor = await _owed_minor(session, refused)
    settled_minor = await _settle_by_reported(session, payment, refused, most_minor=owed_minor, now=now)
    if again is not None:
        return (refused, False) if settled_minor else (again, True)
    asked_minor = min(owed_minor - settled_minor, await _refundable_minor(session, payment))
    if asked_minor <= 0:
        if settled_minor:
            return refused, False
        raise RefundNotRefused(
            "Nothing is left of the payment, or of what was to be given back: other refunds or a dispute took it."
        )
    again = await charging.give_back(
        session,
        payment,
        amount_minor=asked_minor,
        reason=refused.reason or "tried again",
        credit_note_id=refused.credit_note_id,
        now=now,
        wall=wall,
    )
    return again, False


async def _owed_minor(session: AsyncSession, refused: Refund) -> int:
    """What of a refused refund somebody is still to be given."""
    left_minor = refused.amount_minor - refused.settled_minor
    if refused.credit_note_id is None:
        return left_minor
    return min(left_minor, await repository.note_owes_minor(session, refused.tenant_id, refused.credit_note_id))


async def _settle_by_reported(
    session: AsyncSession, payment: Payment, refused: Refund, *, most_minor: int, now: datetime
) -> int:
    """Counts money that went back by the provider's dashboard for a credit note's refund that was refused; how much.

    By the dashboard's refund the invoice was owed again; as the note promised that money, it no longer is.
    """
    if refused.credit_note_id is None:
        return 0
    reported_minor = await repository.reported_minor(session, refused.tenant_id, payment.id)
    settled_minor = min(most_minor, reported_minor)
    if settled_minor <= 0:
        return 0
    cause_id = uuid5(_REVERSED, f"{refused.id}-{refused.settled_minor}")
    refused.settled_minor += settled_minor
    await session.flush()
    await _pay_or_credit(session, payment, cause_id, settled_minor, now=now)
    return settled_minor


async def _refundable_minor(session: AsyncSession, payment: Payment) -> int:
    if payment.means != "intent" or payment.state != "succeeded":
        return 0
    return -await _beyond_minor(session, payment)


async def conclude(
    session: AsyncSession,
    payment: Payment,
    refund: Refund,
    *,
    provider_id: str | None,
    state: str,
    failure_code: str | None,
    now: datetime,
    wall: datetime,
) -> None:
    """Brings a refund to what the provider says of it."""
    refund.provider_id, refund.updated_at = refund.provider_id or provider_id, wall
    if refund.state not in GONE or (refund.state == "succeeded" and state == "pending"):
        return
    changed = refund.state != state
    refund.state = state
    if state not in GONE:
        refund.failure_code = failure_code or state
        if refund.origin == "reported":
            await bring_back(session, payment, refund, now=now)
        elif refund.origin == "duplicate":
            await _credit_instead(session, payment, refund, now=now)
    elif state == "succeeded" and changed:
        await tell_money(session, payment, "payment.refunded", str(refund.id), refund.amount_minor, now=now)
    await session.flush()


async def take(session: AsyncSession, payment: Payment, gone: Refund | Dispute, *, now: datetime) -> None:
    """The invoice is owed again, as far as it had been paid; for a refund or dispute that is not stored yet.

    What went back beyond that and beyond the payment (a bank takes the whole of it after a part was refunded) is taken
    from the wallet, or owed there.
    """
    assert payment.invoice_id is not None
    invoice = await invoices.get_invoice(session, payment.tenant_id, payment.invoice_id, lock=True)
    taken_minor = min(gone.amount_minor, invoice.paid_minor)
    if taken_minor > 0 and invoice.state in ("paid", "open", "uncollectible"):
        await invoices.unsettle(
            session,
            tenant_id=payment.tenant_id,
            invoice_id=invoice.id,
            amount_minor=taken_minor,
            cause_id=gone.id,
            reason=_kind(gone),
            now=now,
        )
    beyond_minor = min(gone.amount_minor - taken_minor, gone.amount_minor + await _beyond_minor(session, payment))
    if beyond_minor > 0:
        gone.credits_micro = minor_to_micro(beyond_minor, gone.currency)
        await credits.take_back(
            session,
            tenant_id=payment.tenant_id,
            customer_id=invoice.customer_id,
            currency=gone.currency,
            amount_micro=gone.credits_micro,
            kind=_kind(gone),
            reference=str(gone.id),
            occurred_at=now,
        )


async def bring_back(session: AsyncSession, payment: Payment, gone: Refund | Dispute, *, now: datetime) -> None:
    """The money stayed with us after all: what was taken by its going is undone."""
    assert payment.invoice_id is not None
    taken_minor = await repository.taken_minor(session, payment.tenant_id, payment.invoice_id, gone.id)
    await _pay_or_credit(session, payment, uuid5(_REVERSED, str(gone.id)), taken_minor, now=now)
    await _credit(session, payment, gone.id, gone.credits_micro, kind=f"{_kind(gone)}_reversal", now=now)


async def _pay_or_credit(
    session: AsyncSession, payment: Payment, cause_id: UUID, amount_minor: int, *, now: datetime
) -> None:
    """Pays the invoice, once a cause; what that owes no more is in the wallet."""
    assert payment.invoice_id is not None
    invoice = await invoices.get_invoice(session, payment.tenant_id, payment.invoice_id, lock=True)
    paid_minor = min(amount_minor, invoice.open_minor) if invoice.state in charging.PAYABLE else 0
    if paid_minor > 0:
        await invoices.settle(
            session,
            tenant_id=payment.tenant_id,
            invoice_id=invoice.id,
            amount_minor=paid_minor,
            payment_id=cause_id,
            now=now,
        )
    if amount_minor > paid_minor:
        # It was credited, voided or paid otherwise meanwhile, as if this money were gone.
        await credit_from_invoice(
            session,
            tenant_id=payment.tenant_id,
            customer_id=invoice.customer_id,
            currency=invoice.currency,
            amount_minor=amount_minor - paid_minor,
            cause_id=cause_id,
            now=now,
        )


async def _credit_instead(session: AsyncSession, payment: Payment, refund: Refund, *, now: datetime) -> None:
    """Of what came twice and could not go back: what was taken from the wallet as if it had is there again."""
    taken_minor = await repository.beyond_minor(session, payment.tenant_id, payment.id, payment.currency)
    beyond_minor = max(0, await _beyond_minor(session, payment))
    refund.settled_minor = max(0, min(refund.amount_minor, taken_minor - beyond_minor))
    amount_micro = minor_to_micro(refund.settled_minor, refund.currency)
    await _credit(session, payment, refund.id, amount_micro, kind="refund_reversal", now=now)


async def _credit(
    session: AsyncSession, payment: Payment, cause_id: UUID, amount_micro: int, *, kind: str, now: datetime
) -> None:
    assert payment.invoice_id is not None
    if not amount_micro:
        return
    invoice = await invoices.get_invoice(session, payment.tenant_id, payment.invoice_id)
    await credits.top_up(
        session,
        tenant_id=payment.tenant_id,
        customer_id=invoice.customer_id,
        currency=payment.currency,
        amount_micro=amount_micro,
        kind=kind,
        reference=str(cause_id),
        occurred_at=now,
    )


async def _beyond_minor(session: AsyncSession, payment: Payment) -> int:
    """What went back beyond the payment; below zero: what is left of it."""
    refunds = await repository.list_refunds(session, payment.tenant_id, payment.id)
    gone_minor = sum(refund.amount_minor for refund in refunds if refund.state in GONE)
    disputed_minor = await repository.disputed_minor(session, payment.tenant_id, payment.id)
    return gone_minor + disputed_minor - payment.amount_minor


def _kind(gone: Refund | Dispute) -> str:
    return "refund" if isinstance(gone, Refund) else "dispute"


async def tell_money(
    session: AsyncSession, payment: Payment, kind: str, fact: str, amount_minor: int, *, now: datetime
) -> None:
    """Tells of money that moved back."""
    assert payment.invoice_id is not None
    invoice = await invoices.get_invoice(session, payment.tenant_id, payment.invoice_id)
    await tell(
        session,
        tenant_id=payment.tenant_id,
        kind=kind,
        subject_id=invoice.id,
        fact=fact,
        occurred_at=now,
        customer_id=invoice.customer_id,
        document={
            "paymentId": str(payment.id),
            "invoiceId": str(invoice.id),
            "number": invoice.number,
            "currency": payment.currency,
            "amountMinor": amount_minor,
        },
    )
