"""Saving cards: what is stored before the provider is asked, and what becomes of its answers."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.payments.errors import LiveProviderRefused
from core.billing.payments.methods import repository
from core.billing.payments.methods.errors import PaymentMethodDetached
from core.billing.payments.methods.models import PaymentMethod, PaymentSetup
from core.billing.payments.providers.saving import ProviderCard, ProviderSetup, SetupStatus
from core.foundation.crypto import input_hash
from core.foundation.errors import KeyInFlight, KeyReused
from core.foundation.ids import new_id
from core.foundation.jobs import defer
from core.foundation.outbox import tell
from core.foundation.settings import Settings
from core.identity.tenants.customers import CustomerErased, customer_named, refuse_erased, self_customer
from core.identity.tenants.repository import get_tenant

ENDED = ("succeeded", "canceled")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the caller wants; `customer` is a customer's id, ours or the tenant's own; None is the tenant itself."""

    customer: str | None = None
    means: str = "page"
    makes_default: bool = True
    success_url: str | None = None
    cancel_url: str | None = None


async def start(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    wanted: Wanted,
    key: str | None,
    settings: Settings,
    now: datetime,
    wall: datetime,
) -> tuple[UUID, bool]:
    """Stores a setup, or takes up the one with the same key; its id, and whether it was there.

    Raises KeyReused, KeyInFlight, LiveProviderRefused, CustomerErased.
    """
    digest = input_hash([wanted.customer, wanted.means, wanted.makes_default, wanted.success_url, wanted.cancel_url])
    if key is not None:
        known = await repository.find_setup_by_key(session, tenant_id, key)
        if known is not None:
            if known.input_hash != digest:
                raise KeyReused
            return known.id, True
    tenant = await get_tenant(session, tenant_id)
    if tenant.is_test and settings.stripe_is_live:
        raise LiveProviderRefused
    if wanted.customer is None:
        customer = await self_customer(session, tenant_id)
    else:
        customer = await customer_named(session, tenant_id, wanted.customer, now=now)
        await refuse_erased(session, tenant_id, customer.id)
    page = f"{settings.public_console_url}/tenants/{tenant.slug}/payment-methods"
    setup_id = new_id()
    row = {
        "tenant_id": tenant_id,
        "id": setup_id,
        "customer_id": customer.id,
        "means": wanted.means,
        "state": "pending",
        "makes_default": wanted.makes_default,
        "currency": tenant.currency,
        # Kept, not made anew: a repeated call to the provider must be the same to the letter.
        "success_url": wanted.success_url or f"{page}?returned=saved",
        "cancel_url": wanted.cancel_url or f"{page}?returned=canceled",
        "idempotency_key": key,
        "input_hash": digest,
        "provider_account_id": settings.stripe_account_id,
        "created_at": now,
        "updated_at": wall,
    }
    if not await repository.insert_setup(session, row):
        raise KeyInFlight
    return setup_id, False


async def conclude(
    session: AsyncSession,
    setup: PaymentSetup,
    told: ProviderSetup,
    card: ProviderCard | None,
    *,
    now: datetime,
    wall: datetime,
) -> PaymentMethod | None:
    """Brings a setup to what the provider says; the method that it newly saved, else None.

    A success outlasts everything, since the card is there. `card` is the provider's, where it was saved.
    """
    setup.updated_at = wall
    setup.provider_id = setup.provider_id or told.setup_id
    if setup.state == "succeeded":
        return None
    if told.status is SetupStatus.SUCCEEDED and card is not None:
        method = await keep(session, setup, card, now=now)
        setup.state, setup.failure_code, setup.payment_method_id = "succeeded", None, method.id
        return method
    if told.status is SetupStatus.CANCELED:
        setup.state = "canceled"
    elif told.failure_code:
        setup.state, setup.failure_code = "failed", told.failure_code
    return None


async def keep(session: AsyncSession, setup: PaymentSetup, card: ProviderCard, *, now: datetime) -> PaymentMethod:
    """The card as a method of the setup's customer; the default where asked for, or where there is no other.

    Of somebody who was erased meanwhile nothing of it is kept, and it is removed at the provider.
    """
    await repository.lock_customer(session, setup.tenant_id, setup.customer_id)
    known = await repository.find_method_at_provider(
        session, setup.tenant_id, account_id=setup.provider_account_id, provider_id=card.method_id
    )
    if known is not None:
        return known
    try:
        await refuse_erased(session, setup.tenant_id, setup.customer_id)
    except CustomerErased:
        return await _refuse_card(session, setup, card, now=now)
    default = await repository.find_default(session, setup.tenant_id, setup.customer_id)
    becomes_default = setup.makes_default or default is None
    if becomes_default and default is not None:
        await repository.clear_default(session, setup.tenant_id, setup.customer_id)
    method = PaymentMethod(
        tenant_id=setup.tenant_id,
        id=new_id(),
        customer_id=setup.customer_id,
        provider_account_id=setup.provider_account_id,
        provider_id=card.method_id,
        brand=card.brand,
        last4=card.last4,
        exp_month=card.exp_month,
        exp_year=card.exp_year,
        country=card.country,
        state="active",
        is_default=becomes_default,
        default_since=now if becomes_default else None,
        created_at=now,
    )
    session.add(method)
    await session.flush()
    await _tell(session, method, "payment_method.attached", now=now)
    return method


async def _refuse_card(
    session: AsyncSession, setup: PaymentSetup, card: ProviderCard, *, now: datetime
) -> PaymentMethod:
    method = PaymentMethod(
        tenant_id=setup.tenant_id,
        id=new_id(),
        customer_id=setup.customer_id,
        provider_account_id=setup.provider_account_id,
        provider_id=card.method_id,
        # As an erasure leaves those that were there.
        brand="erased",
        last4="0000",
        exp_month=1,
        exp_year=2000,
        country=None,
        state="detached",
        is_default=False,
        default_since=None,
        detached_at=now,
        created_at=now,
    )
    session.add(method)
    await session.flush()
    await defer(session, "payments:detach", tenant_id=str(method.tenant_id), method_id=str(method.id))
    return method


async def make_default(session: AsyncSession, method_id: UUID, *, tenant_id: UUID, now: datetime) -> PaymentMethod:
    """From now on the customer is charged by it. Raises PaymentMethodNotFound, PaymentMethodDetached."""
    method = await repository.get_method(session, tenant_id, method_id)
    await repository.lock_customer(session, tenant_id, method.customer_id)
    method = await repository.get_method(session, tenant_id, method_id, locked=True)
    if method.state != "active":
        raise PaymentMethodDetached
    if not method.is_default:
        await repository.clear_default(session, tenant_id, method.customer_id)
        method.is_default, method.default_since = True, now
        await session.flush()
    return method


async def detach(session: AsyncSession, method_id: UUID, *, tenant_id: UUID, now: datetime) -> PaymentMethod:
    """It pays nothing any more, here at once and at the provider by a job; once removed it stays so."""
    method = await repository.get_method(session, tenant_id, method_id, locked=True)
    if method.state == "active":
        await _remove(session, method, now=now)
        await defer(session, "payments:detach", tenant_id=str(tenant_id), method_id=str(method_id))
    return method


async def report_detached(
    session: AsyncSession, *, tenant_id: UUID, account_id: str, provider_id: str, now: datetime
) -> str | None:
    """The provider says that a card is saved no more; why there was nothing to do, else None."""
    method = await repository.find_method_at_provider(
        session, tenant_id, account_id=account_id, provider_id=provider_id
    )
    if method is None or method.state == "detached":
        return "the card is not saved here"
    await _remove(session, method, now=now)
    return None


async def report_card(session: AsyncSession, *, tenant_id: UUID, account_id: str, card: ProviderCard) -> str | None:
    """A card as it looks now: networks renew numbers and expiries by themselves."""
    method = await repository.find_method_at_provider(
        session, tenant_id, account_id=account_id, provider_id=card.method_id
    )
    if method is None or method.state == "detached":
        return "the card is not saved here"
    method.brand, method.last4, method.country = card.brand, card.last4, card.country
    method.exp_month, method.exp_year = card.exp_month, card.exp_year
    return None


async def _remove(session: AsyncSession, method: PaymentMethod, *, now: datetime) -> None:
    method.state, method.is_default, method.default_since, method.detached_at = "detached", False, None, now
    await session.flush()
    await _tell(session, method, "payment_method.detached", now=now)


async def _tell(session: AsyncSession, method: PaymentMethod, kind: str, *, now: datetime) -> None:
    await tell(
        session,
        tenant_id=method.tenant_id,
        kind=kind,
        subject_id=method.id,
        occurred_at=now,
        customer_id=method.customer_id,
        document={
            "paymentMethodId": str(method.id),
            "customerId": str(method.customer_id),
            "brand": method.brand,
            "last4": method.last4,
            "expMonth": method.exp_month,
            "expYear": method.exp_year,
            "isDefault": method.is_default,
        },
    )
