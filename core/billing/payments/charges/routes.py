"""Charging invoices: by the tenant, and the address by which its customer pays."""

from collections.abc import Sequence
from typing import Annotated, cast
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from core.billing.invoices import service as invoices
from core.billing.invoices.errors import InvoiceNotFound, PaymentTooLarge
from core.billing.payments.charges import by_hand, charging, links, listing, performing, refunding, repository
from core.billing.payments.charges.errors import (
    ChargesHeld,
    NoPaymentMethod,
    NothingToPay,
    PaymentGivenBack,
    PaymentInFlight,
    PaymentNotByHand,
    PaymentNotFound,
    ReferenceUsed,
    RefundNotFound,
    RefundNotRefused,
)
from core.billing.payments.charges.models import PaymentAttempt
from core.billing.payments.charges.schemas import (
    AttemptAnswer,
    AttemptOrigin,
    AttemptStatus,
    ChargeWanted,
    InvoicePayment,
    LinkAnswer,
    PaymentByHand,
    PaymentMeans,
    PaymentOfInvoice,
    PaymentsOfInvoice,
    PaymentStatus,
    RefundOfInvoice,
    RefundOrigin,
    RefundStatus,
)
from core.billing.payments.errors import LiveProviderRefused, PaymentProviderUnavailable
from core.billing.payments.methods import repository as methods
from core.billing.payments.methods.errors import PaymentMethodDetached, PaymentMethodNotFound
from core.billing.payments.models import Payment, Refund
from core.billing.payments.providers.errors import ProviderUnavailable
from core.billing.payments.routes import PROVIDER_FAULTS
from core.foundation.clock import wall_now
from core.foundation.ids import parse_id
from core.foundation.paging import Cursor, Limit, cut
from core.foundation.refusals import refusals
from core.foundation.runtime import runtime
from core.foundation.schemas import Page, Text
from core.identity.scope import Reading, Unit, Writing
from core.identity.tenants.auditing import record

router = APIRouter(tags=["payments"])

_REFUSED = (LiveProviderRefused, *PROVIDER_FAULTS, PaymentProviderUnavailable, ProviderUnavailable)


@router.post(
    "/billing/invoices/{invoice_id}/pay",
    summary="Charge an invoice now",
    operation_id="pay_invoice",
    responses=refusals(
        InvoiceNotFound,
        ChargesHeld,
        NothingToPay,
        NoPaymentMethod,
        PaymentInFlight,
        PaymentMethodNotFound,
        PaymentMethodDetached,
        *_REFUSED,
    ),
)
async def pay(scope: Writing, invoice_id: UUID, request: Request, wanted: ChargeWanted | None = None) -> AttemptAnswer:
    """By its customer's default card, or the one named, wholly or in part. A refusal is an answer: `status` failed."""
    wanted, settings, wall = wanted or ChargeWanted(), runtime(request).settings, wall_now()
    async with scope.writing() as unit:
        invoice = await invoices.get_invoice(unit.session, unit.tenant_id, invoice_id, lock=True)
        if invoice.state not in charging.PAYABLE:
            raise NothingToPay(invoice.state)
        if wanted.payment_method_id is not None:
            method = await methods.get_method(unit.session, unit.tenant_id, wanted.payment_method_id)
            if method.customer_id != invoice.customer_id:
                raise PaymentMethodNotFound
            if method.state != "active":
                raise PaymentMethodDetached
        else:
            method = await methods.find_default(unit.session, unit.tenant_id, invoice.customer_id)
        if method is None:
            raise NoPaymentMethod
        attempt = await charging.begin(
            unit.session,
            invoice,
            method,
            origin="tenant",
            account_id=settings.stripe_account_id,
            now=unit.now,
            wall=wall,
            amount_minor=wanted.amount_minor,
        )
        await charging.put_on_queue(unit.session, attempt)
    await performing.perform(scope.database, settings, tenant_id=scope.tenant_id, attempt_id=attempt.id, wall=wall)
    async with scope.reading() as unit:
        known = await repository.find_attempt(unit.session, unit.tenant_id, attempt.id)
    return attempt_answer(known or attempt)


@router.get(
    "/billing/invoices/{invoice_id}/payments",
    summary="How an invoice was paid",
    operation_id="list_payments_of_invoice",
    responses=refusals(InvoiceNotFound),
)
async def list_payments(scope: Reading, invoice_id: UUID) -> PaymentsOfInvoice:
    """Payments with every try at them, oldest first."""
    async with scope.reading() as unit:
        await invoices.get_invoice(unit.session, unit.tenant_id, invoice_id)
        found = await repository.list_payments(unit.session, unit.tenant_id, invoice_id)
        attempts = await repository.list_attempts(unit.session, unit.tenant_id, invoice_id)
        refunds = await repository.list_refunds_of(unit.session, unit.tenant_id, invoice_id)
        by_hand_minor = await repository.by_hand_minor(unit.session, unit.tenant_id, invoice_id)
    return PaymentsOfInvoice(
        data=[payment_answer(payment, attempts, refunds) for payment in found], give_back_by_hand_minor=by_hand_minor
    )


@router.get("/billing/payments", summary="Payments of invoices, newest first", operation_id="list_payments_of_invoices")
async def list_all_payments(
    scope: Reading,
    status: PaymentStatus | None = None,
    customer_id: Annotated[UUID | None, Query(alias="customerId")] = None,
    search: Annotated[
        Text | None, Query(max_length=200, description="Part of the invoice's number, the reference or who pays.")
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[InvoicePayment]:
    """Charged by card or recorded by hand. Purchases of credits have a list of their own: GET /api/purchases."""
    before = parse_id(cursor, "cursor") if cursor is not None else None
    async with scope.reading() as unit:
        rows = await listing.list_all(
            unit.session,
            unit.tenant_id,
            state=status,
            customer_id=customer_id,
            search=search,
            before=before,
            limit=limit + 1,
        )
    page, last = cut(rows, limit)
    return Page(
        data=[
            InvoicePayment(
                payment_id=row.id,
                invoice_id=row.invoice_id,
                invoice_number=row.number,
                customer_id=row.customer_id,
                means=row.means,
                status=row.state,
                amount_minor=row.amount_minor,
                currency=row.currency,
                refunded_minor=row.refunded_minor,
                failure_code=row.failure_code,
                reference=row.reference,
                at=row.at,
            )
            for row in page
        ],
        next_cursor=str(last.id) if last else None,
    )


@router.post(
    "/billing/invoices/{invoice_id}/payments",
    status_code=201,
    summary="Record money that came past the provider",
    operation_id="record_payment_by_hand",
    responses={
        200: {"model": PaymentOfInvoice, "description": "That reference was recorded before."},
        **refusals(InvoiceNotFound, NothingToPay, PaymentInFlight, PaymentTooLarge, ReferenceUsed),
    },
)
async def record_by_hand(
    scope: Writing, invoice_id: UUID, wanted: PaymentByHand, response: Response
) -> PaymentOfInvoice:
    """A bank transfer, say: it settles the invoice, wholly or in part. The audit log keeps who said so."""
    async with scope.writing() as unit:
        payment, replayed = await by_hand.record_payment(
            unit.session,
            tenant_id=unit.tenant_id,
            invoice_id=invoice_id,
            amount_minor=wanted.amount_minor,
            reference=wanted.reference,
            received_at=wanted.received_at,
            by=unit.actor.id,
            now=unit.now,
            wall=wall_now(),
        )
        if not replayed:
            _note(unit, "invoice.paid_by_hand", invoice_id, payment.amount_minor, paymentId=str(payment.id))
    response.status_code = 200 if replayed else 201
    return payment_answer(payment, [], [])


@router.post(
    "/billing/invoices/{invoice_id}/payments/{payment_id}/take-back",
    summary="Take back a payment that was recorded by mistake",
    operation_id="take_back_payment_by_hand",
    responses=refusals(InvoiceNotFound, PaymentNotFound, PaymentNotByHand, PaymentGivenBack),
)
async def take_back(scope: Writing, invoice_id: UUID, payment_id: UUID) -> PaymentOfInvoice:
    """The invoice is owed again. The record stays, canceled; its reference is free. The audit log keeps who did it."""
    async with scope.writing() as unit:
        payment, replayed = await by_hand.take_back(
            unit.session,
            tenant_id=unit.tenant_id,
            invoice_id=invoice_id,
            payment_id=payment_id,
            now=unit.now,
            wall=wall_now(),
        )
        if not replayed:
            _note(unit, "invoice.payment_taken_back", invoice_id, payment.amount_minor, paymentId=str(payment.id))
    return payment_answer(payment, [], [])


@router.post(
    "/billing/invoices/{invoice_id}/refunds/{refund_id}/retry",
    status_code=201,
    summary="Try a refund again that the provider refused",
    operation_id="retry_refund",
    responses={
        200: {"model": RefundOfInvoice, "description": "It was tried again before."},
        **refusals(InvoiceNotFound, RefundNotFound, RefundNotRefused),
    },
)
async def retry_refund(scope: Writing, invoice_id: UUID, refund_id: UUID, response: Response) -> RefundOfInvoice:
    """As a refund of its own, which the provider is asked for by a job. What a refund made at the provider's dashboard
    gave back meanwhile counts for the credit note (`settledMinor`), and only the rest is asked for; where nothing is
    left, the answer is the refused refund."""
    async with scope.writing() as unit:
        refund, replayed = await refunding.retry(
            unit.session,
            tenant_id=unit.tenant_id,
            invoice_id=invoice_id,
            refund_id=refund_id,
            now=unit.now,
            wall=wall_now(),
        )
        if not replayed:
            about = {"refundId": str(refund.id), "of": str(refund_id)}
            _note(unit, "invoice.refund_retried", invoice_id, refund.amount_minor, **about)
    response.status_code = 200 if replayed else 201
    return refund_answer(refund)


@router.post(
    "/billing/invoices/{invoice_id}/payment-link",
    status_code=201,
    summary="Make an address by which its customer pays without signing in",
    operation_id="make_payment_link",
    responses=refusals(InvoiceNotFound),
)
async def make_link(scope: Writing, invoice_id: UUID, request: Request) -> LinkAnswer:
    settings = runtime(request).settings
    async with scope.writing() as unit:
        await invoices.get_invoice(unit.session, unit.tenant_id, invoice_id)
    token = links.make(settings, tenant_id=scope.tenant_id, invoice_id=invoice_id)
    return LinkAnswer(token=token, url=links.page_of(settings, token), valid_days=links.VALID_FOR.days)


def _note(unit: Unit, action: str, invoice_id: UUID, amount_minor: int, **about: str) -> None:
    """Who did what to an invoice's money, in the audit log."""
    record(
        unit.session,
        tenant_id=unit.tenant_id,
        actor=unit.actor,
        action=action,
        subject=str(invoice_id),
        details={**about, "amountMinor": amount_minor},
        occurred_at=unit.now,
    )


def payment_answer(payment: Payment, attempts: Sequence[PaymentAttempt], refunds: Sequence[Refund]) -> PaymentOfInvoice:
    """A payment with its tries and refunds, out of those of its invoice."""
    own = [refund for refund in refunds if refund.payment_id == payment.id]
    return PaymentOfInvoice(
        payment_id=payment.id,
        means=cast("PaymentMeans", payment.means),
        status=cast("PaymentStatus", payment.state),
        amount_minor=payment.amount_minor,
        currency=payment.currency,
        refunded_minor=sum(refund.amount_minor for refund in own if refund.state == "succeeded"),
        failure_code=payment.failure_code,
        reference=payment.reference,
        received_at=payment.received_at,
        attempts=[attempt_answer(attempt) for attempt in attempts if attempt.payment_id == payment.id],
        refunds=[refund_answer(refund) for refund in own],
    )


def refund_answer(refund: Refund) -> RefundOfInvoice:
    """A refund as it is shown."""
    return RefundOfInvoice(
        refund_id=refund.id,
        status=cast("RefundStatus", refund.state),
        origin=cast("RefundOrigin", refund.origin),
        amount_minor=refund.amount_minor,
        settled_minor=refund.settled_minor,
        credit_note_id=refund.credit_note_id,
        failure_code=refund.failure_code,
    )


def attempt_answer(attempt: PaymentAttempt) -> AttemptAnswer:
    """A try as it is shown."""
    return AttemptAnswer(
        attempt_id=attempt.id,
        payment_id=attempt.payment_id,
        invoice_id=attempt.invoice_id,
        number=attempt.number,
        origin=cast("AttemptOrigin", attempt.origin),
        status=cast("AttemptStatus", attempt.state),
        payment_method_id=attempt.payment_method_id,
        failure_code=attempt.failure_code,
        created_at=attempt.created_at,
        concluded_at=attempt.concluded_at,
    )
