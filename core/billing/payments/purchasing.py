"""The start of a purchase: what is stored before anything is asked of the provider, and what is stored after."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.payments import repository
from core.billing.payments.errors import LiveProviderRefused, UnknownPackage
from core.billing.payments.models import PURCHASE_MEANS, Payment
from core.billing.payments.providers.base import ProviderCheckout, ProviderPayment
from core.billing.payments.sale import Sale
from core.foundation.crypto import input_hash
from core.foundation.errors import KeyInFlight, KeyReused
from core.foundation.ids import new_id
from core.foundation.settings import Settings
from core.identity.tenants.auditing import nothing_changed
from core.identity.tenants.customers import customer_named, refuse_erased, self_customer
from core.identity.tenants.repository import get_tenant

LEASE = timedelta(seconds=30)
"""How long one request alone may take at the provider. After a crash the next one with its key waits that long."""


@dataclass(frozen=True, slots=True)
class Order:
    """What the caller wants; `customer` is a customer's id, ours or the tenant's own; None is the tenant itself."""

    package_code: str
    customer: str | None = None
    success_url: str | None = None
    cancel_url: str | None = None


@dataclass(frozen=True, slots=True)
class Started:
    """A purchase that waits for its payments at the provider."""

    purchase_id: UUID
    replayed: bool


async def start(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    now: datetime,
    wall: datetime,
    order: Order,
    key: str | None,
    settings: Settings,
) -> Started:
    """Stores the purchase and its two payments, or takes up the one with the same key.

    The caller holds the lease afterwards and asks the provider. Raises KeyReused, KeyInFlight, UnknownPackage,
    LiveProviderRefused, CustomerErased.
    """
    wanted = input_hash([order.package_code, order.customer, order.success_url, order.cancel_url])
    if key is not None:
        known = await repository.find_purchase_by_key(session, tenant_id, key)
        if known is not None:
            if known.input_hash != wanted:
                raise KeyReused
            if known.lease_until is not None and known.lease_until > wall:
                raise KeyInFlight
            known.lease_until = wall + LEASE
            nothing_changed(session)
            return Started(known.id, replayed=True)

    tenant = await get_tenant(session, tenant_id)
    if tenant.is_test and settings.stripe_is_live:
        raise LiveProviderRefused
    package = await repository.find_package(session, tenant_id, code=order.package_code, currency=tenant.currency)
    if package is None:
        raise UnknownPackage(order.package_code, tenant.currency)
    if order.customer is None:
        customer = await self_customer(session, tenant_id)
    else:
        customer = await customer_named(session, tenant_id, order.customer, now=now)
        await refuse_erased(session, tenant_id, customer.id)
    page = f"{settings.public_console_url}/tenants/{tenant.slug}/purchases"
    purchase_id = new_id()
    row = {
        "tenant_id": tenant_id,
        "id": purchase_id,
        "customer_id": customer.id,
        "package_code": package.code,
        "package_name": package.name,
        "state": "pending",
        "amount_minor": package.amount_minor,
        "credits_micro": package.credits_micro,
        "currency": package.currency,
        "idempotency_key": key,
        "input_hash": wanted,
        # Kept, not made anew: a repeated call to the provider must be the same to the letter.
        "success_url": order.success_url or f"{page}?returned=success",
        "cancel_url": order.cancel_url or f"{page}?returned=canceled",
        "created_at": now,
        "lease_until": wall + LEASE,
    }
    if not await repository.insert_purchase(session, row):
        raise KeyInFlight
    session.add_all(
        Payment(
            tenant_id=tenant_id,
            id=new_id(),
            purchase_id=purchase_id,
            means=means,
            state="pending",
            amount_minor=package.amount_minor,
            currency=package.currency,
            provider_account_id=settings.stripe_account_id,
            created_at=wall,
            updated_at=wall,
        )
        for means in PURCHASE_MEANS
    )
    return Started(purchase_id, replayed=False)


def record_prepared(
    sale: Sale, *, intent: ProviderPayment | None, checkout: ProviderCheckout | None, wall: datetime
) -> None:
    """Keeps the provider's ids; those that are known stay as they are."""
    if intent is not None:
        payment = sale.payments["intent"]
        payment.provider_id = payment.provider_id or intent.payment_id
        payment.provider_intent_id = payment.provider_id
        payment.updated_at = wall
    if checkout is not None:
        payment = sale.payments["checkout"]
        payment.provider_id = payment.provider_id or checkout.checkout_id
        payment.provider_intent_id = payment.provider_intent_id or checkout.payment_id
        payment.updated_at = wall
