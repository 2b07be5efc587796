"""The two ways to pay, made at the provider: no transaction is open while it is asked.

Every call's idempotency key comes from our own id, so a crash between any two lines is mended by doing it again.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from core.billing.payments import purchasing, repository
from core.billing.payments.errors import PaymentProviderUnavailable
from core.billing.payments.gateway import payment_provider
from core.billing.payments.models import Purchase
from core.billing.payments.providers.base import (
    CheckoutRequest,
    PaymentProvider,
    PaymentRequest,
    ProviderCheckout,
    ProviderPayment,
    PurchaseReference,
)
from core.billing.payments.providers.errors import ProviderUnavailable
from core.billing.payments.sale import Sale
from core.foundation.database import Database
from core.foundation.settings import Settings


@dataclass(frozen=True, slots=True)
class Prepared:
    """What the payer needs. `checkout_url` is None once the page is closed."""

    sale: Sale
    client_secret: str | None
    payment_intent_id: str
    checkout_url: str | None


async def prepare(
    database: Database, settings: Settings, *, tenant_id: UUID, purchase_id: UUID, wall: datetime
) -> Prepared:
    """Makes what is missing at the provider, asks for what is there, and records both.

    Raises PaymentProviderUnavailable, after what was made has been recorded; the lease is given up in any case.
    """
    async with database.tenant(tenant_id) as session:
        sale = await repository.get_sale(session, tenant_id, purchase_id, locked=False)
        is_test = await repository.is_test_tenant(session, tenant_id)
    if sale.is_automatic:
        raise PaymentProviderUnavailable("The saved card is being charged. Look at it again in a few seconds.")
    intent: ProviderPayment | BaseException | None = None
    checkout: ProviderCheckout | BaseException | None = None
    try:
        provider = payment_provider(settings, is_test_tenant=is_test)
        intent, checkout = await asyncio.gather(
            _intent(provider, sale), _checkout(provider, sale), return_exceptions=True
        )
    finally:
        async with database.tenant(tenant_id) as session:
            sale = await repository.get_sale(session, tenant_id, purchase_id)
            purchasing.record_prepared(
                sale,
                intent=intent if isinstance(intent, ProviderPayment) else None,
                checkout=checkout if isinstance(checkout, ProviderCheckout) else None,
                wall=wall,
            )
            sale.purchase.lease_until = None
    if isinstance(intent, BaseException):
        raise _named(intent) from intent
    if isinstance(checkout, BaseException):
        raise _named(checkout) from checkout
    assert intent is not None, "it was asked for"
    assert checkout is not None, "it was asked for"
    return Prepared(sale, intent.client_secret, intent.payment_id, checkout.url)


async def _intent(provider: PaymentProvider, sale: Sale) -> ProviderPayment:
    purchase, payment = sale.purchase, sale.payments["intent"]
    if payment.provider_id is not None:
        return await provider.get_payment(payment.provider_id)
    request = PaymentRequest(
        reference=reference(purchase),
        amount_minor=purchase.amount_minor,
        currency=purchase.currency,
        description=f"{purchase.package_name} credits",
    )
    return await provider.create_payment(request, idempotency_key=f"intent-{payment.id}")


async def _checkout(provider: PaymentProvider, sale: Sale) -> ProviderCheckout:
    purchase, payment = sale.purchase, sale.payments["checkout"]
    if payment.provider_id is not None:
        return await provider.get_checkout(payment.provider_id)
    request = CheckoutRequest(
        reference=reference(purchase),
        amount_minor=purchase.amount_minor,
        currency=purchase.currency,
        item_name=f"{purchase.package_name} credits",
        success_url=purchase.success_url,
        cancel_url=purchase.cancel_url,
    )
    return await provider.create_checkout(request, idempotency_key=f"checkout-{payment.id}")


def reference(purchase: Purchase) -> PurchaseReference:
    """Our ids, as the provider carries them."""
    return PurchaseReference(tenant_id=purchase.tenant_id, purchase_id=purchase.id)


def _named(error: BaseException) -> BaseException:
    if isinstance(error, ProviderUnavailable):
        return PaymentProviderUnavailable(
            "The payment provider does not answer. The purchase is kept: send the request again with the same "
            "Idempotency-Key."
        )
    return error
