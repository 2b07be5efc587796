"""A top-up at the provider: the saved card is charged while its owner is away. Safe to do again after any crash."""

from datetime import datetime
from uuid import UUID

from core.billing.payments import asking
from core.billing.payments import repository as payments
from core.billing.payments.methods import repository as methods
from core.billing.payments.methods.asking import known_customer
from core.billing.payments.preparing import reference
from core.billing.payments.providers.base import PaymentRequest
from core.billing.payments.providers.errors import CardDeclined, PaymentStateConflict, ProviderRejected
from core.billing.payments.settlement import fail
from core.foundation.database import Database
from core.foundation.settings import Settings


async def charge(database: Database, settings: Settings, *, tenant_id: UUID, purchase_id: UUID, wall: datetime) -> None:
    """Charges a pending top-up and records what came of it. Raises ProviderUnavailable: it stays pending."""
    async with database.tenant(tenant_id) as session:
        sale = await payments.get_sale(session, tenant_id, purchase_id)
        card = await methods.find_default(session, tenant_id, sale.purchase.customer_id)
        payment = sale.payments["intent"]
        if sale.purchase.state != "pending" or payment.state != "pending":
            return
        if card is None:
            # It was removed since: nobody is charged by another.
            fail(sale, payment, code="no_payment_method", wall=wall)
            return
    customer = await known_customer(database, settings, tenant_id=tenant_id, customer_id=sale.purchase.customer_id)
    provider_id = payment.provider_id
    if provider_id is None:
        request = PaymentRequest(
            reference=reference(sale.purchase),
            amount_minor=sale.purchase.amount_minor,
            currency=sale.purchase.currency,
            description=f"{sale.purchase.package_name} credits",
            customer_id=customer.provider_id,
        )
        made = await customer.provider.create_payment(request, idempotency_key=f"intent-{payment.id}")
        provider_id = made.payment_id
        async with database.tenant(tenant_id) as session:
            sale = await payments.get_sale(session, tenant_id, purchase_id)
            kept = sale.payments["intent"]
            kept.provider_id = kept.provider_intent_id = provider_id
    code: str | None = None
    try:
        await customer.provider.charge_away(
            provider_id, method_id=card.provider_id, idempotency_key=f"top-up-{payment.id}-{card.id}"
        )
    except CardDeclined as declined:
        code = declined.decline_code or "card_declined"
    except (PaymentStateConflict, ProviderRejected) as refused:
        code = refused.provider_code or refused.code
    asked = await asking.ask(database, settings, tenant_id=tenant_id, purchase_id=purchase_id, wall=wall)
    if asked.sale.purchase.state == "pending" and code is not None:
        async with database.tenant(tenant_id) as session:
            sale = await payments.get_sale(session, tenant_id, purchase_id)
            fail(sale, sale.payments["intent"], code=code, wall=wall)
