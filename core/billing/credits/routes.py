"""POST /api/usage/reconcile, holds, wallets and the settings of charges."""

from collections.abc import Callable, Coroutine, Sequence
from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.routing import APIRoute
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Row

from core.billing.credits import holding, repository, service
from core.billing.credits.charges import Charges
from core.billing.credits.charging import Call, Charged
from core.billing.credits.errors import (
    HoldNotFound,
    HoldNotOpen,
    HoldOfAnother,
    InsufficientCredits,
    OutcomeUnknown,
    Overloaded,
)
from core.billing.credits.limits.routes import limited_answer
from core.billing.credits.limits.service import LimitedCredits, list_limited
from core.billing.credits.repository import Wallet
from core.billing.credits.reserving import Release, Released, Reservation, Reserved
from core.billing.credits.schemas import (
    BillingSettings,
    BillingSettingsBody,
    HoldAnswer,
    HoldBody,
    HoldStatus,
    ReconcileAnswer,
    ReconcileBody,
    ReservedAnswer,
    WalletAnswer,
)
from core.billing.pricing.errors import NoPriceBook, UnknownModel
from core.foundation.errors import InvalidInput, KeyReused
from core.foundation.ids import parse_id
from core.foundation.money import MINOR_DIGITS, parse_amount
from core.foundation.refusals import refusals
from core.foundation.schemas import Page
from core.identity.scope import Reading, TenantScope, Unit, Writing, principal, writing_scope
from core.identity.tenants.customers import CustomerErased, CustomerNotFound

router = APIRouter()

_RECONCILE_BODY = TypeAdapter(ReconcileBody)

Limit = Annotated[int, Query(ge=1, le=200, description="How many a page may hold")]
Cursor = Annotated[str | None, Query(max_length=100, description="`nextCursor` of the page before")]


class ReconcileRoute(APIRoute):
    """The route that every call of every application goes through, answered without the framework's way of reading.

    It is declared like any other, so the document, the guard and the checks are the same. A well-formed request is read
    straight into its model and answered straight from its own; anything else takes the framework's way to its error.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The direct way, with the framework's as its fallback."""
        by_framework = super().get_route_handler()

        async def answer(request: Request) -> Response:
            if request.scope["query_string"] or principal(request).installation_role is not None:
                return await by_framework(request)
            try:
                body = _RECONCILE_BODY.validate_json(await request.body())
            except ValidationError:
                return await by_framework(request)
            charged = await _settle(request.app.state.charges, body, await writing_scope(request))
            return Response(_charged(charged).model_dump_json(by_alias=True), media_type="application/json")

        return answer


async def reconcile(request: Request, body: ReconcileBody, scope: Writing) -> ReconcileAnswer:
    """Charges a call once per `idempotencyKey`; the same key again gives the first answer with `replayed: true`.

    With a `holdId` the hold is settled to the actual. 402 `insufficient_credits` beyond the floor: nothing is charged,
    and the same request may be sent again once there are credits.
    """
    await _enter(scope)
    return _charged(await _settle(request.app.state.charges, body, scope))


router.add_api_route(
    "/api/usage/reconcile",
    reconcile,
    methods=["POST"],
    tags=["usage"],
    summary="Charge what a call took",
    responses=refusals(
        InsufficientCredits,
        HoldNotFound,
        CustomerNotFound,
        CustomerErased,
        HoldNotOpen,
        KeyReused,
        UnknownModel,
        NoPriceBook,
        HoldOfAnother,
        Overloaded,
        OutcomeUnknown,
    ),
    route_class_override=ReconcileRoute,
)


@router.post(
    "/api/usage/holds",
    tags=["usage"],
    status_code=201,
    summary="Keep back the most a call may cost",
    responses=refusals(
        InsufficientCredits,
        CustomerNotFound,
        CustomerErased,
        KeyReused,
        UnknownModel,
        NoPriceBook,
        Overloaded,
        OutcomeUnknown,
    ),
)
async def reserve(request: Request, body: HoldBody, scope: Writing) -> ReservedAnswer:
    await _enter(scope)
    user_id, customer_id = _customer_of(scope, body.user_id, body.customer_id)
    charges: Charges = request.app.state.charges
    reservation = Reservation(
        tenant_id=scope.tenant_id,
        key=body.idempotency_key,
        time_to_live=timedelta(seconds=body.ttl_seconds),
        amount_micro=parse_amount(body.amount, "amount") if body.amount is not None else None,
        model=body.model,
        input_tokens=body.input_tokens or 0,
        max_output_tokens=body.max_output_tokens or 0,
        user_id=user_id,
        customer_id=customer_id,
    )
    return _reserved(await charges.reserve(reservation))


@router.get("/api/usage/holds", tags=["usage"], summary="Holds, newest first")
async def list_holds(
    scope: Reading, status: HoldStatus | None = None, limit: Limit = 50, cursor: Cursor = None
) -> Page[HoldAnswer]:
    before = parse_id(cursor, "cursor") if cursor else None
    async with scope.reading() as unit:
        holds = await repository.list_holds(
            unit.session, unit.tenant_id, state=status, now=unit.now, before=before, limit=limit + 1
        )
    return Page(
        data=[_hold(hold, unit) for hold in holds[:limit]],
        next_cursor=str(holds[limit - 1].id) if len(holds) > limit else None,
    )


@router.get("/api/usage/holds/{hold_id}", tags=["usage"], summary="A hold", responses=refusals(HoldNotFound))
async def get_hold(hold_id: UUID, scope: Reading) -> HoldAnswer:
    async with scope.reading() as unit:
        hold = await holding.get_hold(unit.session, hold_id, tenant_id=unit.tenant_id)
        scope.customer(customer_id=hold.customer_id)
        return _hold(hold, unit)


@router.delete(
    "/api/usage/holds/{hold_id}",
    tags=["usage"],
    summary="Release a hold",
    responses=refusals(HoldNotFound, HoldNotOpen, Overloaded, OutcomeUnknown),
)
async def release(request: Request, hold_id: UUID, scope: Writing) -> HoldAnswer:
    await _enter(scope)
    charges: Charges = request.app.state.charges
    return _released(await charges.release(Release(scope.tenant_id, hold_id, customer_id=scope.principal.customer_id)))


@router.get("/billing/wallets", tags=["billing"], summary="Wallets by customer")
async def list_wallets(scope: Reading, limit: Limit = 50, cursor: Cursor = None) -> Page[WalletAnswer]:
    after = _wallet_cursor(cursor) if cursor else None
    async with scope.reading() as unit:
        wallets = await repository.list_wallets(
            unit.session, unit.tenant_id, now=unit.now, after=after, limit=limit + 1
        )
        limited: dict[tuple[UUID, str], list[LimitedCredits]] = {}
        for currency in {wallet.currency for wallet in wallets}:
            whose = [wallet.customer_id for wallet in wallets]
            found = await list_limited(unit.session, unit.tenant_id, customers=whose, currency=currency, now=unit.now)
            limited |= {(customer_id, currency): credits for customer_id, credits in found.items()}
    last = wallets[limit - 1] if len(wallets) > limit else None
    return Page(
        data=[_wallet(one, limited.get((one.customer_id, one.currency), [])) for one in wallets[:limit]],
        next_cursor=f"{last.customer_id}.{last.currency}" if last else None,
    )


@router.get(
    "/billing/wallets/{customer_id}",
    tags=["billing"],
    summary="A customer's wallet, or `self`",
    responses=refusals(CustomerNotFound),
)
async def get_wallet(customer_id: str, scope: Reading) -> WalletAnswer:
    async with scope.reading() as unit:
        terms = await repository.get_terms(unit.session, unit.tenant_id)
        wanted = terms.self_id if customer_id == "self" else parse_id(customer_id, "customerId")
        wallet = await service.customers_wallet(
            unit.session, tenant_id=unit.tenant_id, customer_id=wanted, currency=terms.currency, now=unit.now
        )
        limited = await list_limited(
            unit.session, unit.tenant_id, customers=[wanted], currency=terms.currency, now=unit.now
        )
    return _wallet(wallet, limited.get(wanted, []))


@router.get("/billing/settings", tags=["billing"], summary="How charges behave")
async def get_settings(scope: Reading) -> BillingSettings:
    async with scope.reading() as unit:
        return BillingSettings(charge_policy=await repository.get_charge_policy(unit.session, unit.tenant_id))


@router.patch("/billing/settings", tags=["billing"], summary="Change how charges behave")
async def change_settings(body: BillingSettingsBody, scope: Writing) -> BillingSettings:
    async with scope.writing() as unit:
        await service.change_charge_policy(unit.session, body.charge_policy, tenant_id=unit.tenant_id)
    return BillingSettings(charge_policy=body.charge_policy)


async def _settle(charges: Charges, body: ReconcileBody, scope: TenantScope) -> Charged:
    """Charges what the body says, for the customer that the caller may speak for."""
    user_id, customer_id = _customer_of(scope, body.user_id, body.customer_id)
    return await charges.settle(
        Call(
            tenant_id=scope.tenant_id,
            model=body.model,
            input_tokens=body.input_tokens,
            cached_tokens=body.cached_tokens,
            output_tokens=body.output_tokens,
            key=body.idempotency_key,
            user_id=user_id,
            customer_id=customer_id,
            hold_id=body.hold_id,
            occurred_at=body.occurred_at,
            is_partial=body.partial,
        )
    )


async def _enter(scope: TenantScope) -> None:
    """Audits an operator who enters the tenant; what it asks is booked by the desk, in a transaction of its own."""
    if scope.principal.installation_role is not None:
        async with scope.writing():
            pass


def _customer_of(scope: TenantScope, user_id: str | None, customer_id: UUID | None) -> tuple[str | None, UUID | None]:
    """Whom the caller means; a foreign token means the customer it was issued to."""
    scope.customer(external_id=user_id, customer_id=customer_id)
    own = scope.principal.customer_id
    return (None, own) if own is not None else (user_id, customer_id)


def _wallet_cursor(cursor: str) -> tuple[UUID, str]:
    customer, _, currency = cursor.partition(".")
    if currency not in MINOR_DIGITS:
        raise InvalidInput("cursor", "must be the nextCursor of another page")
    return parse_id(customer, "cursor"), currency


def _charged(charged: Charged) -> ReconcileAnswer:
    return ReconcileAnswer(
        transaction_id=charged.transaction_id,
        usage_event_id=charged.usage_event_id,
        charged=charged.charged_micro,
        balance=charged.balance_micro,
        available=charged.available_micro,
        currency=charged.currency,
        price_book_version=charged.price_book_version,
        receivable=charged.receivable_micro,
        replayed=charged.replayed,
    )


def _reserved(reserved: Reserved) -> ReservedAnswer:
    return ReservedAnswer(
        hold_id=reserved.hold_id,
        amount=reserved.amount_micro,
        status="open",
        expires_at=reserved.expires_at,
        balance=reserved.balance_micro,
        available=reserved.available_micro,
        currency=reserved.currency,
        replayed=reserved.replayed,
    )


def _released(released: Released) -> HoldAnswer:
    return HoldAnswer(
        hold_id=released.hold_id,
        customer_id=released.customer_id,
        amount=released.amount_micro,
        currency=released.currency,
        status=released.state,
        idempotency_key=released.key,
        created_at=released.created_at,
        expires_at=released.expires_at,
        closed_at=released.closed_at,
        transaction_id=None,
    )


def _hold(hold: Row[Any], unit: Unit) -> HoldAnswer:
    # Over on the tenant's clock is over, whether or not it has been swept yet.
    over = hold.state == "open" and hold.expires_at <= unit.now
    return HoldAnswer(
        hold_id=hold.id,
        customer_id=hold.customer_id,
        amount=hold.amount_micro,
        currency=hold.currency,
        status="expired" if over else hold.state,
        idempotency_key=hold.idempotency_key,
        created_at=hold.created_at,
        expires_at=hold.expires_at,
        closed_at=hold.expires_at if over else hold.closed_at,
        transaction_id=hold.transaction_id,
    )


def _wallet(wallet: Wallet, limited: Sequence[LimitedCredits]) -> WalletAnswer:
    return WalletAnswer(
        customer_id=wallet.customer_id,
        balance=wallet.balance_micro,
        available=wallet.available_micro,
        held=wallet.held_micro,
        receivable=wallet.receivable_micro,
        floor=wallet.floor_micro,
        currency=wallet.currency,
        limited=[limited_answer(one) for one in limited],
    )
