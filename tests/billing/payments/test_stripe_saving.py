"""Cards are saved and charged while their payer is away, on the simulator, as Stripe does it."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from core.billing.payments.providers.base import PaymentProvider, PaymentStatus, ProviderEventKind, ProviderPayment
from core.billing.payments.providers.errors import CardDeclined, ProviderRejected
from core.billing.payments.providers.saving import (
    ChargeReference,
    ChargeRequest,
    CustomerReference,
    MovementKind,
    ProviderCard,
    SetupPageRequest,
    SetupReference,
    SetupStatus,
)
from core.billing.payments.providers.simulator.main import Simulator
from tests.billing.payments.conftest import make_client

TENANT = UUID(int=1)
START = datetime(2026, 1, 1, tzinfo=UTC)


async def make_customer(provider: PaymentProvider, clock_id: str | None = None) -> str:
    reference = CustomerReference(tenant_id=TENANT, customer_id=uuid4())
    return await provider.create_customer(reference, clock_id=clock_id, idempotency_key=uuid4().hex)


async def save(
    provider: PaymentProvider, server: Simulator, customer_id: str, card: str = "pm_card_visa"
) -> ProviderCard:
    setup = await provider.create_setup(
        SetupReference(tenant_id=TENANT, setup_id=uuid4()), customer_id=customer_id, idempotency_key=uuid4().hex
    )
    confirmed = make_client(server).v1.setup_intents.confirm(setup.setup_id, {"payment_method": card})
    assert confirmed.status == "succeeded"
    method_id = (await provider.get_setup(setup.setup_id)).method_id
    assert method_id is not None
    return await provider.get_card(method_id)


async def charge(
    provider: PaymentProvider, customer_id: str, method_id: str, amount_minor: int = 2900
) -> ProviderPayment:
    request = ChargeRequest(
        reference=ChargeReference(tenant_id=TENANT, payment_id=uuid4()),
        customer_id=customer_id,
        amount_minor=amount_minor,
        currency="EUR",
        description="Invoice",
    )
    made = await provider.create_charge(request, idempotency_key=uuid4().hex)
    return await provider.charge_away(made.payment_id, method_id=method_id, idempotency_key=uuid4().hex)


async def test_a_saved_card_shows_only_what_may_be_shown_and_pays_while_its_owner_is_away(
    provider: PaymentProvider, shared_stripe: Simulator
) -> None:
    customer = await make_customer(provider)
    card = await save(provider, shared_stripe, customer, "pm_card_mastercard")
    assert (card.brand, card.last4, card.exp_month, card.exp_year) == ("mastercard", "4444", 12, 2034)
    assert card.customer_id == customer
    paid = await charge(provider, customer, card.method_id)
    assert (paid.status, paid.amount_received_minor, paid.currency) == (PaymentStatus.PAID, 2900, "EUR")
    assert paid.charge is not None
    assert paid.charge.tenant_id == TENANT


async def test_a_card_that_needs_the_bank_is_declined_away_and_paid_once_the_payer_agrees(
    provider: PaymentProvider, shared_stripe: Simulator
) -> None:
    customer = await make_customer(provider)
    card = await save(provider, shared_stripe, customer)
    shared_stripe.control(f"cards/{card.method_id}", card="pm_card_authenticationRequired")
    with pytest.raises(CardDeclined) as declined:
        await charge(provider, customer, card.method_id)
    assert declined.value.decline_code == "authentication_required"
    payment_id = make_client(shared_stripe).v1.payment_intents.list({"customer": customer}).data[0].id
    waiting = await provider.confirm_payment(
        payment_id, card=card.method_id, return_url="https://example.com/back", idempotency_key=uuid4().hex
    )
    assert waiting.status is PaymentStatus.REQUIRES_ACTION
    assert (waiting.action_url or "").startswith(shared_stripe.url + "/bank/")
    shared_stripe.control(f"bank/{payment_id}", agreed=True)
    assert (await provider.get_payment(payment_id)).status is PaymentStatus.PAID


async def test_a_saved_card_declines_with_the_code_that_it_was_told(
    provider: PaymentProvider, shared_stripe: Simulator
) -> None:
    customer = await make_customer(provider)
    card = await save(provider, shared_stripe, customer)
    for code in ("do_not_honor", "insufficient_funds", "stolen_card", "expired_card"):
        shared_stripe.control(f"cards/{card.method_id}", decline_code=code)
        with pytest.raises(CardDeclined) as declined:
            await charge(provider, customer, card.method_id)
        assert declined.value.decline_code == code
    shared_stripe.control(f"cards/{card.method_id}", card="pm_card_visa")
    assert (await charge(provider, customer, card.method_id)).status is PaymentStatus.PAID


async def test_a_card_pays_for_its_own_customer_only_and_for_nobody_once_detached(
    provider: PaymentProvider, shared_stripe: Simulator
) -> None:
    customer, other = await make_customer(provider), await make_customer(provider)
    card = await save(provider, shared_stripe, customer)
    with pytest.raises(ProviderRejected):
        await charge(provider, other, card.method_id)
    await provider.detach_card(card.method_id, idempotency_key=uuid4().hex)
    await provider.detach_card(card.method_id, idempotency_key=uuid4().hex)
    assert (await provider.get_card(card.method_id)).customer_id is None
    with pytest.raises(ProviderRejected):
        await charge(provider, customer, card.method_id)


async def test_a_card_is_saved_on_the_hosted_page_and_its_event_says_so(
    provider: PaymentProvider, shared_stripe: Simulator
) -> None:
    customer, setup_id = await make_customer(provider), uuid4()
    page = await provider.create_setup_page(
        SetupPageRequest(
            reference=SetupReference(tenant_id=TENANT, setup_id=setup_id),
            customer_id=customer,
            currency="EUR",
            success_url="https://example.com/saved",
        ),
        idempotency_key=uuid4().hex,
    )
    assert page.setup_id is not None
    assert (await provider.get_setup(page.setup_id)).status is SetupStatus.PENDING
    shared_stripe.control(f"checkout/{page.checkout_id}", card="pm_card_visa")
    saved = await provider.get_setup(page.setup_id)
    assert (saved.status, saved.reference) == (
        SetupStatus.SUCCEEDED,
        SetupReference(tenant_id=TENANT, setup_id=setup_id),
    )
    told = [
        event
        async for event in provider.list_events(datetime.now(UTC) - timedelta(minutes=5))
        if event.setup == saved.reference
    ]
    assert [event.kind for event in told] == [ProviderEventKind.SETUP_SUCCEEDED]


async def test_a_card_expires_by_the_test_clock_of_its_customer(
    provider: PaymentProvider, shared_stripe: Simulator
) -> None:
    clock = await provider.create_clock(START, idempotency_key=uuid4().hex)
    customer = await make_customer(provider, clock)
    card = await save(provider, shared_stripe, customer)
    assert (await charge(provider, customer, card.method_id)).created_at == START
    for year in (2027, 2029, 2031, 2033, 2034):
        await provider.advance_clock(clock, datetime(year, 12, 31, tzinfo=UTC))
    assert (await charge(provider, customer, card.method_id)).status is PaymentStatus.PAID
    await provider.advance_clock(clock, datetime(2035, 1, 1, tzinfo=UTC))
    with pytest.raises(CardDeclined) as declined:
        await charge(provider, customer, card.method_id)
    assert declined.value.decline_code == "expired_card"


async def test_what_moved_is_listed_with_the_payment_behind_it_and_what_was_paid_out(
    provider: PaymentProvider, shared_stripe: Simulator
) -> None:
    since = datetime.now(UTC) - timedelta(minutes=5)
    customer = await make_customer(provider)
    paid = await charge(provider, customer, (await save(provider, shared_stripe, customer)).method_id, 10_000)
    shared_stripe.control("refunds", payment_intent=paid.payment_id, amount=4_000)
    moved = [found async for found in provider.list_movements(since) if found.payment_id == paid.payment_id]
    assert [(found.kind, found.amount_minor, found.fee_minor, found.currency) for found in moved] == [
        (MovementKind.REFUND, -4_000, 0, "EUR"),
        (MovementKind.CHARGE, 10_000, 320, "EUR"),
    ]
    shared_stripe.control("payouts", currency="eur", amount=1_000)
    payout = [found async for found in provider.list_payouts(since)][0]
    assert (payout.status, payout.amount_minor, payout.currency) == ("paid", 1_000, "EUR")
    assert [found.net_minor async for found in provider.list_movements(since)][0] == -1_000
