"""Paying behind a sealed link: what the customer may do there, who does not sign in."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from core.billing.invoices import service as invoices
from core.billing.invoices.errors import InvoiceNotFound
from core.billing.invoices.models import Invoice
from core.billing.payments import repository as payments
from core.billing.payments.charges import charging, links, performing, repository
from core.billing.payments.charges.errors import NoPaymentMethod, NothingToPay, PaymentInFlight, PaymentLinkInvalid
from core.billing.payments.charges.models import PaymentAttempt
from core.billing.payments.charges.performing import Performed
from core.billing.payments.methods import asking as saving
from core.billing.payments.methods import repository as methods
from core.billing.payments.methods import service as saved
from core.billing.payments.methods.models import PaymentMethod
from core.billing.sellers.service import settings_of
from core.foundation.clock import tenant_now
from core.foundation.database import Database
from core.foundation.settings import Settings
from core.identity.tenants.repository import get_tenant


@dataclass(frozen=True, slots=True)
class Owed:
    """What stands behind a link."""

    invoice: Invoice
    seller: str
    method: PaymentMethod | None
    last: PaymentAttempt | None
    is_test: bool


async def look(database: Database, settings: Settings, token: str) -> Owed:
    """What is owed, and the card that would be charged. Raises PaymentLinkInvalid."""
    tenant_id, invoice_id = links.read(settings, token)
    async with database.tenant(tenant_id, writes=False) as session:
        try:
            invoice = await invoices.get_invoice(session, tenant_id, invoice_id)
        except InvoiceNotFound:
            raise PaymentLinkInvalid from None
        attempts = await repository.list_attempts(session, tenant_id, invoice_id)
        return Owed(
            invoice,
            (await settings_of(session, tenant_id)).legal_name or (await get_tenant(session, tenant_id)).name,
            await methods.find_default(session, tenant_id, invoice.customer_id),
            attempts[-1] if attempts else None,
            await payments.is_test_tenant(session, tenant_id),
        )


async def pay(
    database: Database, settings: Settings, token: str, *, return_url: str | None, wall: datetime
) -> Performed:
    """Charges the saved card; the bank may ask its owner, who is there.

    Raises PaymentLinkInvalid, NothingToPay, NoPaymentMethod, PaymentInFlight, and what the provider refuses.
    """
    tenant_id, invoice_id = links.read(settings, token)
    async with database.tenant(tenant_id) as session:
        invoice = await invoices.get_invoice(session, tenant_id, invoice_id, lock=True)
        if invoice.state not in charging.PAYABLE:
            raise NothingToPay(invoice.state)
        method = await methods.find_default(session, tenant_id, invoice.customer_id)
        if method is None:
            raise NoPaymentMethod
        # No job: only while the customer is there may the bank be asked. What is cut off is found by the sweep.
        attempt = await charging.begin(
            session,
            invoice,
            method,
            origin="customer",
            account_id=settings.stripe_account_id,
            now=await tenant_now(session, tenant_id),
            wall=wall,
        )
    performed = await performing.perform(
        database,
        settings,
        tenant_id=tenant_id,
        attempt_id=attempt.id,
        wall=wall,
        return_url=return_url or f"{links.page_of(settings, token)}?returned=paid",
    )
    if performed is None:
        raise PaymentInFlight
    return performed


async def save_card(database: Database, settings: Settings, token: str, *, wall: datetime) -> str | None:
    """The provider's page on which another card is saved: it becomes the default, and what is overdue is charged by it.

    Raises PaymentLinkInvalid, and what the provider refuses.
    """
    tenant_id, invoice_id = links.read(settings, token)
    page = links.page_of(settings, token)
    async with database.tenant(tenant_id) as session:
        invoice = await invoices.get_invoice(session, tenant_id, invoice_id)
        setup_id, _ = await saved.start(
            session,
            tenant_id=tenant_id,
            wanted=saved.Wanted(
                customer=str(invoice.customer_id), success_url=f"{page}?returned=saved", cancel_url=page
            ),
            key=None,
            settings=settings,
            now=await tenant_now(session, tenant_id),
            wall=wall,
        )
    prepared = await saving.prepare(database, settings, tenant_id=tenant_id, setup_id=setup_id, wall=wall)
    return prepared.page_url


async def catch_up(database: Database, settings: Settings, token: str, *, wall: datetime) -> None:
    """The customer is back from the bank or the provider, whose event may still be on its way: it is asked."""
    tenant_id, invoice_id = links.read(settings, token)
    async with database.tenant(tenant_id, writes=False) as session:
        invoice = await invoices.get_invoice(session, tenant_id, invoice_id)
        setups: list[UUID] = await methods.list_open_setups(session, tenant_id, invoice.customer_id)
        attempts = await repository.list_attempts(session, tenant_id, invoice_id)
    for setup_id in setups:
        await saving.ask(database, settings, tenant_id=tenant_id, setup_id=setup_id, wall=wall)
    for attempt in attempts:
        if attempt.state == "action_required":
            await performing.look_again(database, settings, tenant_id=tenant_id, attempt_id=attempt.id, wall=wall)
