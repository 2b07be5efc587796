"""/billing/payment-methods: cards that customers have saved."""

from typing import Annotated, Any, cast
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request

from core.billing.payments.errors import LiveProviderRefused, PaymentProviderUnavailable
from core.billing.payments.methods import asking, repository, service
from core.billing.payments.methods.errors import PaymentMethodDetached, PaymentMethodNotFound, SetupNotFound
from core.billing.payments.methods.models import PaymentMethod, PaymentSetup
from core.billing.payments.methods.schemas import (
    MethodAnswer,
    MethodChange,
    MethodStatus,
    SetupAnswer,
    SetupMeans,
    SetupStarted,
    SetupStatus,
    SetupWanted,
)
from core.billing.payments.methods.service import Wanted
from core.billing.payments.providers.errors import ProviderUnavailable
from core.billing.payments.routes import PROVIDER_FAULTS
from core.foundation.clock import wall_now
from core.foundation.errors import KeyInFlight, KeyReused
from core.foundation.ids import parse_id
from core.foundation.refusals import refusals
from core.foundation.runtime import runtime
from core.foundation.schemas import Key, Page
from core.identity.scope import Reading, Writing
from core.identity.tenants.customers import CustomerErased

router = APIRouter(prefix="/billing/payment-methods", tags=["payments"])

IdempotencyKey = Annotated[
    Key | None, Header(alias="Idempotency-Key", description="The same key and body give the first answer again.")
]


@router.post(
    "/setups",
    status_code=201,
    summary="Save a card",
    operation_id="start_payment_setup",
    responses=refusals(
        CustomerErased, KeyReused, KeyInFlight, LiveProviderRefused, *PROVIDER_FAULTS, PaymentProviderUnavailable
    ),
)
async def start_setup(
    scope: Writing, request: Request, wanted: SetupWanted | None = None, key: IdempotencyKey = None
) -> SetupStarted:
    """The provider's page (`pageUrl`), or a client secret for a form of your own. No card number ever comes here."""
    wanted = wanted or SetupWanted()
    settings, wall = runtime(request).settings, wall_now()
    async with scope.writing() as unit:
        setup_id, replayed = await service.start(
            unit.session,
            tenant_id=unit.tenant_id,
            wanted=Wanted(wanted.customer_id, wanted.means, wanted.make_default, wanted.success_url, wanted.cancel_url),
            key=key,
            settings=settings,
            now=unit.now,
            wall=wall,
        )
    prepared = await asking.prepare(scope.database, settings, tenant_id=scope.tenant_id, setup_id=setup_id, wall=wall)
    return SetupStarted(
        **_setup_fields(prepared.setup),
        page_url=prepared.page_url,
        client_secret=prepared.client_secret,
        setup_intent_id=prepared.setup.provider_id,
        replayed=replayed,
    )


@router.get(
    "/setups/{setup_id}",
    summary="How saving a card stands",
    operation_id="get_payment_setup",
    responses=refusals(SetupNotFound),
)
async def get_setup(scope: Reading, setup_id: UUID) -> SetupAnswer:
    """Reads what is known here and asks nobody."""
    async with scope.reading() as unit:
        setup = await repository.get_setup(unit.session, unit.tenant_id, setup_id)
    return SetupAnswer(**_setup_fields(setup))


@router.post(
    "/setups/{setup_id}/sync",
    summary="Ask the payment provider how saving a card stands",
    operation_id="sync_payment_setup",
    responses=refusals(
        SetupNotFound, LiveProviderRefused, *PROVIDER_FAULTS, PaymentProviderUnavailable, ProviderUnavailable
    ),
)
async def sync_setup(scope: Writing, setup_id: UUID, request: Request) -> SetupAnswer:
    """Does at once what the provider's event would do a little later."""
    async with scope.writing() as unit:
        await repository.get_setup(unit.session, unit.tenant_id, setup_id)
    setup, _ = await asking.ask(
        scope.database,
        runtime(request).settings,
        tenant_id=scope.tenant_id,
        setup_id=setup_id,
        wall=wall_now(),
    )
    return SetupAnswer(**_setup_fields(setup))


@router.get("", operation_id="list_payment_methods", summary="List saved cards, newest first")
async def list_methods(
    scope: Reading,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=100)] = None,
    customer_id: Annotated[UUID | None, Query(alias="customerId")] = None,
    status: MethodStatus | None = None,
) -> Page[MethodAnswer]:
    before = parse_id(cursor, "cursor") if cursor else None
    async with scope.reading() as unit:
        found = await repository.list_methods(
            unit.session, unit.tenant_id, customer_id=customer_id, state=status, before=before, limit=limit
        )
    shown = found[:limit]
    return Page(
        data=[method_answer(method) for method in shown],
        next_cursor=str(shown[-1].id) if len(found) > limit else None,
    )


@router.patch(
    "/{payment_method_id}",
    summary="Make a card the default",
    operation_id="change_payment_method",
    responses=refusals(PaymentMethodNotFound, PaymentMethodDetached),
)
async def change_method(scope: Writing, payment_method_id: UUID, wanted: MethodChange) -> MethodAnswer:
    """Its customer is charged by it from now on."""
    async with scope.writing() as unit:
        method = await service.make_default(unit.session, payment_method_id, tenant_id=unit.tenant_id, now=unit.now)
    return method_answer(method)


@router.delete(
    "/{payment_method_id}",
    summary="Remove a saved card",
    operation_id="remove_payment_method",
    responses=refusals(PaymentMethodNotFound),
)
async def remove_method(scope: Writing, payment_method_id: UUID) -> MethodAnswer:
    """It pays nothing any more, from this answer on. No other card becomes the default by itself."""
    async with scope.writing() as unit:
        method = await service.detach(unit.session, payment_method_id, tenant_id=unit.tenant_id, now=unit.now)
    return method_answer(method)


def method_answer(method: PaymentMethod) -> MethodAnswer:
    """A saved card as it may be shown."""
    return MethodAnswer(
        payment_method_id=method.id,
        customer_id=method.customer_id,
        status=cast("MethodStatus", method.state),
        brand=method.brand,
        last4=method.last4,
        exp_month=method.exp_month,
        exp_year=method.exp_year,
        country=method.country,
        is_default=method.is_default,
        created_at=method.created_at,
        detached_at=method.detached_at,
    )


def _setup_fields(setup: PaymentSetup) -> dict[str, Any]:
    return {
        "setup_id": setup.id,
        "customer_id": setup.customer_id,
        "means": cast("SetupMeans", setup.means),
        "status": cast("SetupStatus", setup.state),
        "payment_method_id": setup.payment_method_id,
        "failure_code": setup.failure_code,
        "created_at": setup.created_at,
    }
