"""Saving cards at the provider: between two transactions, never in one.

Every call's idempotency key comes from our own ids, so a crash between any two lines is mended by doing it again.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from core.billing.payments import repository as payments
from core.billing.payments.errors import PaymentProviderUnavailable
from core.billing.payments.gateway import payment_provider
from core.billing.payments.methods import repository, service
from core.billing.payments.methods.models import PaymentMethod, PaymentSetup, ProviderCustomer
from core.billing.payments.providers.base import PaymentProvider, ProviderCheckout
from core.billing.payments.providers.errors import ProviderUnavailable
from core.billing.payments.providers.saving import (
    CustomerReference,
    ProviderCard,
    ProviderSetup,
    SetupPageRequest,
    SetupReference,
    SetupStatus,
)
from core.foundation.clock import tenant_now
from core.foundation.database import Database
from core.foundation.ids import new_id
from core.foundation.settings import Settings


@dataclass(frozen=True, slots=True)
class Prepared:
    """What the payer needs to save a card; both None once it is saved."""

    setup: PaymentSetup
    page_url: str | None
    client_secret: str | None


@dataclass(frozen=True, slots=True)
class KnownCustomer:
    """A customer at the provider, and the provider to ask about it."""

    provider: PaymentProvider
    provider_id: str
    clock_id: str | None


async def known_customer(
    database: Database, settings: Settings, *, tenant_id: UUID, customer_id: UUID
) -> KnownCustomer:
    """The customer at the provider, made there at first use; a test tenant's lives in its tenant's time.

    Raises PaymentProviderUnavailable, LiveProviderRefused, ProviderError.
    """
    account_id = settings.stripe_account_id
    async with database.tenant(tenant_id) as session:
        is_test = await payments.is_test_tenant(session, tenant_id)
        now = await tenant_now(session, tenant_id)
        known = await repository.find_provider_customer(
            session, tenant_id, customer_id=customer_id, account_id=account_id
        )
    provider = payment_provider(settings, is_test_tenant=is_test)
    if known is None:
        clock_id = None
        if is_test:
            # One clock a customer: Stripe allows three customers a clock.
            clock_id = await provider.create_clock(now, idempotency_key=f"clock-{customer_id}-{int(now.timestamp())}")
        provider_id = await provider.create_customer(
            CustomerReference(tenant_id=tenant_id, customer_id=customer_id),
            clock_id=clock_id,
            idempotency_key=f"customer-{customer_id}-{clock_id or 'wall'}",
        )
        async with database.tenant(tenant_id) as session:
            await repository.insert_provider_customer(
                session,
                {
                    "tenant_id": tenant_id,
                    "id": new_id(),
                    "customer_id": customer_id,
                    "provider_account_id": account_id,
                    "provider_id": provider_id,
                    "clock_id": clock_id,
                    "created_at": now,
                },
            )
            known = await repository.find_provider_customer(
                session, tenant_id, customer_id=customer_id, account_id=account_id
            )
    assert isinstance(known, ProviderCustomer), "it was stored a moment ago"
    if known.clock_id is not None:
        await provider.advance_clock(known.clock_id, now)
    return KnownCustomer(provider, known.provider_id, known.clock_id)


async def prepare(
    database: Database, settings: Settings, *, tenant_id: UUID, setup_id: UUID, wall: datetime
) -> Prepared:
    """Makes the setup at the provider, or asks for it. Raises PaymentProviderUnavailable: the same key goes on."""
    try:
        return await _prepare(database, settings, tenant_id=tenant_id, setup_id=setup_id, wall=wall)
    except ProviderUnavailable as error:
        raise PaymentProviderUnavailable(
            "The payment provider does not answer. What was begun is kept: send the request again with the same "
            "Idempotency-Key."
        ) from error


async def _prepare(
    database: Database, settings: Settings, *, tenant_id: UUID, setup_id: UUID, wall: datetime
) -> Prepared:
    async with database.tenant(tenant_id) as session:
        setup = await repository.get_setup(session, tenant_id, setup_id)
    if setup.state == "succeeded":
        return Prepared(setup, None, None)
    customer = await known_customer(database, settings, tenant_id=tenant_id, customer_id=setup.customer_id)
    reference = SetupReference(tenant_id=tenant_id, setup_id=setup_id)
    page_id = page_url = client_secret = None
    if setup.means == "page":
        page = await _page(customer, setup, reference)
        page_id, page_url, provider_id = page.checkout_id, page.url, page.setup_id
    elif setup.provider_id is not None:
        made = await customer.provider.get_setup(setup.provider_id)
        provider_id, client_secret = made.setup_id, made.client_secret
    else:
        made = await customer.provider.create_setup(
            reference, customer_id=customer.provider_id, idempotency_key=f"setup-{setup_id}"
        )
        provider_id, client_secret = made.setup_id, made.client_secret
    async with database.tenant(tenant_id) as session:
        setup = await repository.get_setup(session, tenant_id, setup_id, locked=True)
        setup.provider_id = setup.provider_id or provider_id
        setup.provider_page_id = setup.provider_page_id or page_id
        setup.updated_at = wall
    return Prepared(setup, page_url, client_secret)


async def _page(customer: KnownCustomer, setup: PaymentSetup, reference: SetupReference) -> ProviderCheckout:
    if setup.provider_page_id is not None:
        return await customer.provider.get_checkout(setup.provider_page_id)
    request = SetupPageRequest(
        reference=reference,
        customer_id=customer.provider_id,
        currency=setup.currency,
        success_url=setup.success_url,
        cancel_url=setup.cancel_url,
    )
    return await customer.provider.create_setup_page(request, idempotency_key=f"setup-{setup.id}")


async def ask(
    database: Database, settings: Settings, *, tenant_id: UUID, setup_id: UUID, wall: datetime
) -> tuple[PaymentSetup, PaymentMethod | None]:
    """Brings a setup up to date with the provider; with the method that it newly saved."""
    async with database.tenant(tenant_id) as session:
        setup = await repository.get_setup(session, tenant_id, setup_id)
        is_test = await payments.is_test_tenant(session, tenant_id)
    if setup.provider_id is None or setup.state in service.ENDED:
        return setup, None
    told, card = await hear(payment_provider(settings, is_test_tenant=is_test), setup.provider_id)
    async with database.tenant(tenant_id) as session:
        setup = await repository.get_setup(session, tenant_id, setup_id, locked=True)
        now = await tenant_now(session, tenant_id)
        return setup, await service.conclude(session, setup, told, card, now=now, wall=wall)


async def hear(provider: PaymentProvider, provider_id: str) -> tuple[ProviderSetup, ProviderCard | None]:
    """How a setup stands at the provider, with the card where one was saved."""
    told: ProviderSetup = await provider.get_setup(provider_id)
    saved = told.status is SetupStatus.SUCCEEDED and told.method_id is not None
    return told, await provider.get_card(told.method_id or "") if saved else None


async def detach(database: Database, settings: Settings, *, tenant_id: UUID, method_id: UUID) -> None:
    """Removes a card at the provider, too."""
    async with database.tenant(tenant_id) as session:
        method = await repository.get_method(session, tenant_id, method_id)
        is_test = await payments.is_test_tenant(session, tenant_id)
    provider = payment_provider(settings, is_test_tenant=is_test)
    await provider.detach_card(method.provider_id, idempotency_key=f"detach-{method_id}")
