"""/api/purchases: buying credits, and giving money back."""

from typing import Annotated, Any, cast
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request

from core.billing.payments import asking, purchasing, refunding, repository
from core.billing.payments.errors import (
    LiveProviderRefused,
    PaymentProviderUnavailable,
    PurchaseNotFound,
    PurchaseNotPaid,
    RefundExceedsPayment,
    RefundExceedsUnspent,
    UnknownPackage,
)
from core.billing.payments.models import Dispute, Purchase, Refund
from core.billing.payments.preparing import prepare
from core.billing.payments.providers.errors import (
    ProviderCredentialsRefused,
    ProviderKeyConflict,
    ProviderObjectMissing,
    ProviderRejected,
    ProviderUnavailable,
)
from core.billing.payments.purchasing import Order
from core.billing.payments.sale import Sale
from core.billing.payments.schemas import (
    DisputeAnswer,
    DisputeStatus,
    PurchaseAnswer,
    PurchaseAsked,
    PurchaseDetail,
    PurchaseStarted,
    PurchaseStatus,
    PurchaseWanted,
    RefundAnswer,
    RefundOrigin,
    RefundStatus,
    RefundWanted,
)
from core.foundation.clock import wall_now
from core.foundation.errors import KeyInFlight, KeyReused
from core.foundation.ids import parse_id
from core.foundation.refusals import refusals
from core.foundation.runtime import runtime
from core.foundation.schemas import Key, Page
from core.identity.scope import Reading, Writing
from core.identity.tenants.customers import CustomerErased

router = APIRouter(prefix="/api/purchases", tags=["payments"])

IdempotencyKey = Annotated[
    Key | None, Header(alias="Idempotency-Key", description="The same key and body give the first answer again.")
]
Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str | None, Query(max_length=100)]

PROVIDER_FAULTS = (ProviderRejected, ProviderCredentialsRefused, ProviderObjectMissing, ProviderKeyConflict)


@router.post(
    "",
    status_code=201,
    summary="Buy credits",
    operation_id="buy_credits",
    responses=refusals(
        UnknownPackage,
        CustomerErased,
        KeyReused,
        KeyInFlight,
        LiveProviderRefused,
        *PROVIDER_FAULTS,
        PaymentProviderUnavailable,
    ),
)
async def buy(scope: Writing, wanted: PurchaseWanted, request: Request, key: IdempotencyKey = None) -> PurchaseStarted:
    """A payment intent to confirm in your own page, and a hosted page: whichever is paid first gives the credits."""
    settings, wall = runtime(request).settings, wall_now()
    order = Order(wanted.package_code, wanted.customer_id, wanted.success_url, wanted.cancel_url)
    async with scope.writing() as unit:
        started = await purchasing.start(
            unit.session,
            tenant_id=unit.tenant_id,
            now=unit.now,
            wall=wall,
            order=order,
            key=key,
            settings=settings,
        )
    prepared = await prepare(
        scope.database, settings, tenant_id=scope.tenant_id, purchase_id=started.purchase_id, wall=wall
    )
    # The first answer again: as it was when nothing was paid yet. GET shows how it stands.
    first: dict[str, Any] = {
        "status": "pending",
        "refunded_minor": 0,
        "paid_by": None,
        "paid_at": None,
        "failure_code": None,
    }
    return PurchaseStarted(
        **(_fields(prepared.sale.purchase, None) | first),
        client_secret=prepared.client_secret,
        payment_intent_id=prepared.payment_intent_id,
        checkout_url=prepared.checkout_url,
        replayed=started.replayed,
    )


@router.get("", operation_id="list_purchases", summary="List purchases, newest first")
async def list_purchases(
    scope: Reading,
    limit: Limit = 50,
    cursor: Cursor = None,
    status: PurchaseStatus | None = None,
    customer_id: Annotated[UUID | None, Query(alias="customerId")] = None,
) -> Page[PurchaseAnswer]:
    before = parse_id(cursor, "cursor") if cursor else None
    async with scope.reading() as unit:
        found = await repository.list_purchases(
            unit.session, unit.tenant_id, state=status, customer_id=customer_id, before=before, limit=limit
        )
        shown = found[:limit]
        codes = await repository.list_failure_codes(unit.session, unit.tenant_id, [purchase.id for purchase in shown])
    return Page(
        data=[PurchaseAnswer(**_fields(purchase, codes.get(purchase.id))) for purchase in shown],
        next_cursor=str(shown[-1].id) if len(found) > limit else None,
    )


@router.get(
    "/{purchase_id}",
    operation_id="get_purchase",
    summary="How a purchase stands",
    responses=refusals(PurchaseNotFound),
)
async def get_purchase(scope: Reading, purchase_id: UUID) -> PurchaseDetail:
    """Reads what is known here and asks nobody: poll it after the payment page until the provider's event is in."""
    async with scope.reading() as unit:
        sale = await repository.get_sale(unit.session, unit.tenant_id, purchase_id, locked=False)
    return PurchaseDetail(**_detailed(sale))


@router.post(
    "/{purchase_id}/sync",
    summary="Ask the payment provider how a purchase stands",
    operation_id="sync_purchase",
    responses=refusals(
        PurchaseNotFound, LiveProviderRefused, *PROVIDER_FAULTS, PaymentProviderUnavailable, ProviderUnavailable
    ),
)
async def sync(scope: Writing, purchase_id: UUID, request: Request) -> PurchaseAsked:
    """Does at once what the provider's events, or the sweep for lost ones, would do a little later.

    `checkoutUrl` leads to the provider's page while it may still be paid there: this is how a payment is continued.
    """
    async with scope.writing() as unit:
        await repository.get_sale(unit.session, unit.tenant_id, purchase_id, locked=False)
    asked = await asking.ask(
        scope.database,
        runtime(request).settings,
        tenant_id=scope.tenant_id,
        purchase_id=purchase_id,
        wall=wall_now(),
    )
    return PurchaseAsked(**_detailed(asked.sale), checkout_url=asked.checkout_url)


@router.post(
    "/{purchase_id}/refunds",
    status_code=201,
    summary="Refund unspent credits",
    operation_id="refund_purchase",
    responses=refusals(PurchaseNotFound, PurchaseNotPaid, RefundExceedsPayment, RefundExceedsUnspent, KeyReused),
)
async def refund(
    scope: Writing, purchase_id: UUID, wanted: RefundWanted | None = None, key: IdempotencyKey = None
) -> RefundAnswer:
    """The credits go at once; the money follows (`status` succeeded), or the credits come back (`status` failed)."""
    wanted = wanted or RefundWanted()
    async with scope.writing() as unit:
        made, replayed = await refunding.request(
            unit.session,
            tenant_id=unit.tenant_id,
            purchase_id=purchase_id,
            amount_minor=wanted.amount_minor,
            reason=wanted.reason,
            requested_by=unit.actor,
            key=key,
            now=unit.now,
            wall=wall_now(),
        )
    answer = _refund(made)
    if replayed:
        return answer.model_copy(update={"status": "pending", "failure_code": None, "replayed": True})
    return answer


def _fields(purchase: Purchase, failure_code: str | None) -> dict[str, Any]:
    return {
        "purchase_id": purchase.id,
        "status": purchase.state,
        "package_code": purchase.package_code,
        "package_name": purchase.package_name,
        "customer_id": purchase.customer_id,
        "amount_minor": purchase.amount_minor,
        "currency": purchase.currency,
        "credits": purchase.credits_micro,
        "refunded_minor": purchase.refunded_minor,
        "paid_by": purchase.paid_by,
        "paid_at": purchase.paid_at,
        "failure_code": failure_code,
        "created_at": purchase.created_at,
    }


def _detailed(sale: Sale) -> dict[str, Any]:
    failed = [payment for payment in sale.payments.values() if payment.state == "failed"]
    last = max(failed, key=lambda payment: payment.updated_at, default=None)
    return _fields(sale.purchase, last.failure_code if last else None) | {
        "refunds": [_refund(refund) for refund in sale.refunds],
        "disputes": [_dispute(dispute) for dispute in sale.disputes],
    }


def _refund(refund: Refund) -> RefundAnswer:
    assert refund.purchase_id is not None, "only refunds of purchases are shown here"
    return RefundAnswer(
        refund_id=refund.id,
        purchase_id=refund.purchase_id,
        status=cast("RefundStatus", refund.state),
        origin=cast("RefundOrigin", refund.origin),
        amount_minor=refund.amount_minor,
        currency=refund.currency,
        credits=refund.credits_micro,
        reason=refund.reason,
        failure_code=refund.failure_code,
        created_at=refund.created_at,
    )


def _dispute(dispute: Dispute) -> DisputeAnswer:
    return DisputeAnswer(
        dispute_id=dispute.id,
        status=cast("DisputeStatus", dispute.state),
        amount_minor=dispute.amount_minor,
        currency=dispute.currency,
        credits=dispute.credits_micro,
        created_at=dispute.created_at,
        closed_at=dispute.closed_at,
    )
