"""/billing/wallets/{customer_id}/watch: from where on a wallet is low, and is filled by a saved card."""

from uuid import UUID

from fastapi import APIRouter

from core.billing.credits import repository as credits
from core.billing.payments import repository as payments
from core.billing.payments.errors import UnknownPackage
from core.billing.payments.methods import repository as methods
from core.billing.payments.topping import repository
from core.billing.payments.topping.models import WalletWatch
from core.billing.payments.topping.schemas import TopUpAnswer, WatchAnswer, WatchWanted
from core.foundation.errors import InvalidInput
from core.foundation.ids import new_id
from core.foundation.money import parse_amount
from core.foundation.refusals import refusals
from core.identity.scope import Reading, Writing
from core.identity.tenants.auditing import record
from core.identity.tenants.customers import CustomerErased, CustomerNotFound, refuse_erased
from core.identity.tenants.repository import get_tenant

router = APIRouter(prefix="/billing/wallets", tags=["billing"])


@router.get(
    "/{customer_id}/watch",
    operation_id="get_wallet_watch",
    summary="What is watched of a wallet",
    responses=refusals(CustomerNotFound),
)
async def get_watch(scope: Reading, customer_id: UUID) -> WatchAnswer:
    async with scope.reading() as unit:
        if not await credits.customer_exists(unit.session, unit.tenant_id, customer_id):
            raise CustomerNotFound
        currency = (await get_tenant(unit.session, unit.tenant_id)).currency
        found = await repository.find(unit.session, unit.tenant_id, customer_id=customer_id, currency=currency)
    return _answer(found, customer_id, currency)


@router.put(
    "/{customer_id}/watch",
    operation_id="set_wallet_watch",
    summary="Watch a wallet: tell when it is low, fill it by the default card",
    responses=refusals(CustomerNotFound, CustomerErased, UnknownPackage),
)
async def set_watch(scope: Writing, customer_id: UUID, wanted: WatchWanted) -> WatchAnswer:
    """Low is told once a crossing. One top-up is under way at a time, and a refused one stops them until this is set
    anew or there is another card.
    """
    alert_micro = parse_amount(wanted.alert_below, "alertBelow") if wanted.alert_below else None
    below_micro = parse_amount(wanted.top_up.below, "topUp.below") if wanted.top_up else None
    if alert_micro == 0 or below_micro == 0:
        raise InvalidInput("alertBelow" if alert_micro == 0 else "topUp.below", "must be more than nothing")
    async with scope.writing() as unit:
        if not await credits.customer_exists(unit.session, unit.tenant_id, customer_id):
            raise CustomerNotFound
        await refuse_erased(unit.session, unit.tenant_id, customer_id)
        currency = (await get_tenant(unit.session, unit.tenant_id)).currency
        if wanted.top_up is not None:
            package = await payments.find_package(
                unit.session, unit.tenant_id, code=wanted.top_up.package_code, currency=currency
            )
            if package is None:
                raise UnknownPackage(wanted.top_up.package_code, currency)
            if wanted.top_up.monthly_limit_minor < package.amount_minor:
                raise InvalidInput("topUp.monthlyLimitMinor", f"must be at least the package's {package.amount_minor}")
        await methods.lock_customer(unit.session, unit.tenant_id, customer_id)  # two first ones take turns
        watch = await repository.find(
            unit.session, unit.tenant_id, customer_id=customer_id, currency=currency, locked=True
        )
        if watch is None:
            watch = WalletWatch(
                tenant_id=unit.tenant_id,
                id=new_id(),
                customer_id=customer_id,
                currency=currency,
                is_low=False,
                crossings=0,
                fired=0,
                changed_at=unit.now,
            )
            unit.session.add(watch)
        watch.alert_below_micro = alert_micro
        watch.package_code = wanted.top_up.package_code if wanted.top_up else None
        watch.top_up_below_micro = below_micro
        watch.monthly_limit_minor = wanted.top_up.monthly_limit_minor if wanted.top_up else None
        watch.blocked_until = watch.failed_code = watch.failed_at = None
        watch.changed_at = unit.now
        await unit.session.flush()
        record(
            unit.session,
            tenant_id=unit.tenant_id,
            actor=unit.actor,
            action="wallet_watch.changed",
            subject=str(customer_id),
            details=wanted.model_dump(mode="json"),
            occurred_at=unit.now,
        )
    return _answer(watch, customer_id, currency)


def _answer(watch: WalletWatch | None, customer_id: UUID, currency: str) -> WatchAnswer:
    top_up = None
    if watch is not None and watch.package_code is not None:
        top_up = TopUpAnswer(
            package_code=watch.package_code,
            below=watch.top_up_below_micro or 0,
            monthly_limit_minor=watch.monthly_limit_minor or 0,
            purchase_id=watch.purchase_id,
            made=watch.fired,
            blocked_until=watch.blocked_until,
            failed_code=watch.failed_code,
        )
    return WatchAnswer(
        customer_id=customer_id,
        currency=currency,
        alert_below=watch.alert_below_micro if watch else None,
        is_low=watch.is_low if watch else False,
        top_up=top_up,
    )
