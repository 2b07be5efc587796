"""StripeProvider keeps the promises of PaymentProvider, on the simulator."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from core.billing.payments.providers.base import (
    CheckoutRequest,
    CheckoutStatus,
    DisputeStatus,
    PaymentProvider,
    PaymentRequest,
    PaymentStatus,
    ProviderEventKind,
    ProviderPayment,
    PurchaseReference,
    RefundRequest,
    RefundStatus,
)
from core.billing.payments.providers.errors import (
    CardDeclined,
    InvalidSignature,
    MalformedProviderEvent,
    PaymentStateConflict,
    ProviderCredentialsRefused,
    ProviderKeyConflict,
    ProviderObjectMissing,
    ProviderRejected,
    ProviderUnavailable,
    RefundRefused,
)
from core.billing.payments.providers.simulator.main import Simulator
from core.billing.payments.providers.stripe import StripeProvider
from core.billing.payments.providers.stripe_signature import sign
from tests.billing.payments.receiver import SECRET

REFERENCE = PurchaseReference(tenant_id=UUID(int=1), purchase_id=UUID(int=2))
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def payment_request(amount_minor: int = 500, currency: str = "USD") -> PaymentRequest:
    return PaymentRequest(
        reference=REFERENCE, amount_minor=amount_minor, currency=currency, description="Starter credits"
    )


def refund_request(payment_id: str, amount_minor: int | None = None) -> RefundRequest:
    return RefundRequest(reference=REFERENCE, payment_id=payment_id, refund_id=UUID(int=3), amount_minor=amount_minor)


async def pay(provider: PaymentProvider, card: str = "pm_card_visa") -> ProviderPayment:
    payment = await provider.create_payment(payment_request(), idempotency_key=uuid4().hex)
    return await provider.confirm_payment(payment.payment_id, card=card, idempotency_key=uuid4().hex)


async def test_a_payment_goes_from_pending_to_paid_with_our_ids_on_it(provider: PaymentProvider) -> None:
    payment = await provider.create_payment(payment_request(), idempotency_key=uuid4().hex)
    assert (payment.status, payment.amount_minor, payment.currency) == (PaymentStatus.PENDING, 500, "USD")
    assert payment.reference == REFERENCE
    assert str(payment.client_secret).startswith(f"{payment.payment_id}_secret_")
    paid = await provider.confirm_payment(payment.payment_id, card="pm_card_visa", idempotency_key=uuid4().hex)
    assert (paid.status, paid.amount_received_minor) == (PaymentStatus.PAID, 500)
    assert await provider.get_payment(payment.payment_id) == paid
    assert (provider.name, provider.is_live) == ("stripe", False)


async def test_a_decline_says_why_in_our_words(provider: PaymentProvider) -> None:
    payment = await provider.create_payment(payment_request(), idempotency_key=uuid4().hex)
    with pytest.raises(CardDeclined) as caught:
        await provider.confirm_payment(
            payment.payment_id, card="pm_card_chargeDeclinedInsufficientFunds", idempotency_key=uuid4().hex
        )
    assert (caught.value.status, caught.value.decline_code) == (402, "insufficient_funds")
    after = await provider.get_payment(payment.payment_id)
    assert (after.status, after.failure_code) == (PaymentStatus.PENDING, "insufficient_funds")


async def test_a_card_that_needs_the_bank_requires_action(provider: PaymentProvider) -> None:
    assert (await pay(provider, "pm_card_authenticationRequired")).status is PaymentStatus.REQUIRES_ACTION


async def test_a_paid_payment_cannot_be_canceled_and_a_canceled_one_not_paid(provider: PaymentProvider) -> None:
    paid = await pay(provider)
    with pytest.raises(PaymentStateConflict):
        await provider.cancel_payment(paid.payment_id, idempotency_key=uuid4().hex)
    other = await provider.create_payment(payment_request(), idempotency_key=uuid4().hex)
    canceled = await provider.cancel_payment(other.payment_id, idempotency_key=uuid4().hex)
    assert canceled.status is PaymentStatus.CANCELED
    with pytest.raises(PaymentStateConflict):
        await provider.confirm_payment(other.payment_id, card="pm_card_visa", idempotency_key=uuid4().hex)


async def test_the_same_key_makes_one_payment_and_another_input_is_refused(provider: PaymentProvider) -> None:
    key = uuid4().hex
    first = await provider.create_payment(payment_request(), idempotency_key=key)
    assert await provider.create_payment(payment_request(), idempotency_key=key) == first
    with pytest.raises(ProviderKeyConflict):
        await provider.create_payment(payment_request(600), idempotency_key=key)


async def test_checkout_is_paid_or_expires(provider: PaymentProvider, shared_stripe: Simulator) -> None:
    request = CheckoutRequest(
        reference=REFERENCE,
        amount_minor=500,
        currency="USD",
        item_name="Starter credits",
        success_url="https://example.com/paid",
        cancel_url="https://example.com/back",
    )
    first = await provider.create_checkout(request, idempotency_key=uuid4().hex)
    second = await provider.create_checkout(request, idempotency_key=uuid4().hex)
    assert (first.status, first.paid, first.payment_id, first.reference) == (
        CheckoutStatus.OPEN,
        False,
        None,
        REFERENCE,
    )
    assert first.expires_at - first.created_at == timedelta(hours=24)
    shared_stripe.control(f"checkout/{first.checkout_id}", card="pm_card_visa")
    paid = await provider.get_checkout(first.checkout_id)
    assert (paid.status, paid.paid) == (CheckoutStatus.COMPLETE, True)
    payment = await provider.get_payment(str(paid.payment_id))
    assert (payment.status, payment.reference) == (PaymentStatus.PAID, REFERENCE)
    with pytest.raises(PaymentStateConflict):
        await provider.expire_checkout(first.checkout_id, idempotency_key=uuid4().hex)
    expired = await provider.expire_checkout(second.checkout_id, idempotency_key=uuid4().hex)
    assert (expired.status, expired.paid) == (CheckoutStatus.EXPIRED, False)


async def test_refunds_stop_at_what_was_paid(provider: PaymentProvider, shared_stripe: Simulator) -> None:
    paid = await pay(provider)
    refund = await provider.create_refund(refund_request(paid.payment_id, 200), idempotency_key=uuid4().hex)
    assert (refund.status, refund.amount_minor, refund.refund_id) == (RefundStatus.SUCCEEDED, 200, UUID(int=3))
    with pytest.raises(RefundRefused):
        await provider.create_refund(refund_request(paid.payment_id, 301), idempotency_key=uuid4().hex)
    shared_stripe.control("refunds", payment_intent=paid.payment_id, amount=100)
    rest = await provider.create_refund(refund_request(paid.payment_id), idempotency_key=uuid4().hex)
    assert rest.amount_minor == 200
    with pytest.raises(RefundRefused):
        await provider.create_refund(refund_request(paid.payment_id), idempotency_key=uuid4().hex)
    listed = await provider.list_refunds(paid.payment_id)
    assert [(found.amount_minor, found.refund_id) for found in listed] == [
        (200, UUID(int=3)),
        (100, None),
        (200, UUID(int=3)),
    ]
    assert (await provider.get_refund(refund.provider_refund_id)).payment_id == paid.payment_id


async def test_a_dispute_is_read_with_the_payment_it_is_about(
    provider: PaymentProvider, shared_stripe: Simulator
) -> None:
    paid = await pay(provider)
    opened = shared_stripe.control("disputes", payment_intent=paid.payment_id)
    dispute = await provider.get_dispute(opened["id"])
    assert (dispute.status, dispute.amount_minor, dispute.payment_id) == (DisputeStatus.OPEN, 500, paid.payment_id)
    shared_stripe.control(f"disputes/{opened['id']}/close", status="lost")
    assert (await provider.get_dispute(opened["id"])).status is DisputeStatus.LOST


async def test_past_events_are_listed_over_all_pages() -> None:
    with Simulator() as server:
        provider = StripeProvider("sk_test_1", api_base=server.url)
        for _ in range(41):
            await pay(provider)
        since = datetime.now(UTC) - timedelta(hours=1)
        events = [event async for event in provider.list_events(since)]
        assert len(events) == 123
        assert len({event.event_id for event in events}) == 123
        assert events[0].kind is ProviderEventKind.PAYMENT_SUCCEEDED
        assert [event async for event in provider.list_events(datetime.now(UTC) + timedelta(hours=1))] == []
        await provider.aclose()


async def test_each_event_is_read_in_our_words(provider: StripeProvider, shared_stripe: Simulator) -> None:
    paid = await pay(provider)
    await provider.create_refund(refund_request(paid.payment_id, 200), idempotency_key=uuid4().hex)
    opened = shared_stripe.control("disputes", payment_intent=paid.payment_id, reason="product_not_received")
    shared_stripe.control(f"disputes/{opened['id']}/close", status="won")
    since = datetime.now(UTC) - timedelta(hours=1)
    events = [event async for event in provider.list_events(since) if event.payment_id == paid.payment_id][::-1]
    told = [(event.provider_type, event.kind, event.amount_minor, event.status, event.reference) for event in events]
    assert told == [
        ("payment_intent.succeeded", ProviderEventKind.PAYMENT_SUCCEEDED, 500, "paid", REFERENCE),
        ("refund.created", ProviderEventKind.REFUND_UPDATED, 200, "succeeded", REFERENCE),
        ("charge.refunded", ProviderEventKind.CHARGE_REFUNDED, 200, None, REFERENCE),
        ("refund.updated", ProviderEventKind.REFUND_UPDATED, 200, "succeeded", REFERENCE),
        ("charge.dispute.created", ProviderEventKind.DISPUTE_OPENED, 500, "open", None),
        ("charge.dispute.closed", ProviderEventKind.DISPUTE_CLOSED, 500, "won", None),
    ]
    assert (events[0].paid, events[1].refund_id, events[4].reason) == (True, UUID(int=3), "product_not_received")
    assert {event.currency for event in events} == {"USD"}


# What goes wrong


async def test_an_unknown_id_and_an_invalid_request_have_names(provider: PaymentProvider) -> None:
    with pytest.raises(ProviderObjectMissing):
        await provider.get_payment("pi_unknown")
    with pytest.raises(ProviderRejected, match="parameter amount"):
        await provider.create_payment(payment_request(1), idempotency_key=uuid4().hex)


async def test_a_wrong_key_has_a_name_and_is_not_in_the_text(shared_stripe: Simulator) -> None:
    secret = "rk_test_" + "s3cret" * 4
    provider = StripeProvider(secret, api_base=shared_stripe.url, max_network_retries=0)
    shared_stripe.control("faults", status=401, executed=False)
    with pytest.raises(ProviderCredentialsRefused) as caught:
        await provider.get_account_id()
    assert "s3cret" not in repr(caught.value) + str(caught.value.__dict__)
    assert caught.value.__cause__ is None
    await provider.aclose()


async def test_no_answer_is_unavailable_and_says_to_try_again() -> None:
    provider = StripeProvider("sk_test_1", api_base="http://127.0.0.1:9", max_network_retries=0)
    with pytest.raises(ProviderUnavailable) as caught:
        await provider.get_payment("pi_1")
    await provider.aclose()
    assert (caught.value.status, caught.value.headers["Retry-After"]) == (503, "5")


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_limit_and_a_server_error_are_unavailable(
    provider: PaymentProvider, shared_stripe: Simulator, status: int
) -> None:
    shared_stripe.control("faults", status=status, executed=False)
    with pytest.raises(ProviderUnavailable):
        await provider.get_account_id()


async def test_a_lost_answer_is_asked_for_again_and_pays_once(shared_stripe: Simulator) -> None:
    provider = StripeProvider("sk_test_1", api_base=shared_stripe.url, max_network_retries=2)
    payment = await provider.create_payment(payment_request(), idempotency_key=uuid4().hex)
    shared_stripe.control("faults", status=500, executed=True, count=1)
    paid = await provider.confirm_payment(payment.payment_id, card="pm_card_visa", idempotency_key=uuid4().hex)
    assert paid.status is PaymentStatus.PAID
    since = datetime.now(UTC) - timedelta(hours=1)
    charged = [event async for event in provider.list_events(since) if event.payment_id == payment.payment_id]
    assert [event.kind for event in charged] == [ProviderEventKind.PAYMENT_SUCCEEDED]
    await provider.aclose()


@pytest.mark.parametrize("key", ["sk_live_1", "rk_live_1", "anything"])
def test_a_key_that_may_be_live_is_never_sent_to_another_address(key: str) -> None:
    with pytest.raises(ValueError, match="not a test key") as caught:
        StripeProvider(key, api_base="http://127.0.0.1:12111")
    assert key not in str(caught.value)
    assert StripeProvider(key).is_live


def test_a_client_secret_is_not_shown() -> None:
    payment = ProviderPayment(
        payment_id="pi_1",
        status=PaymentStatus.PENDING,
        amount_minor=1,
        amount_received_minor=0,
        currency="USD",
        client_secret="pi_1_secret_x",
        charge_id=None,
        failure_code=None,
        reference=None,
        created_at=NOW,
    )
    assert "secret_x" not in repr(payment)


# Webhooks


def event_body(**changes: Any) -> bytes:
    intent = {
        "id": "pi_1",
        "object": "payment_intent",
        "amount": 500,
        "amount_received": 500,
        "currency": "usd",
        "status": "succeeded",
        "latest_charge": "ch_1",
        "metadata": {
            "cloudbill_tenant_id": str(REFERENCE.tenant_id),
            "cloudbill_purchase_id": str(REFERENCE.purchase_id),
        },
        "created": 1_795_000_000,
    }
    event = {
        "id": "evt_1",
        "object": "event",
        "type": "payment_intent.succeeded",
        "created": 1_795_000_001,
        "livemode": False,
        "data": {"object": intent},
    }
    return json.dumps(event | changes).encode()


def webhooks(*secrets: str) -> StripeProvider:
    return StripeProvider("sk_test_1", webhook_secrets=secrets or (SECRET,))


def test_a_signed_body_becomes_an_event() -> None:
    body = event_body()
    event = webhooks().verify_event(body, signature=sign(body, secret=SECRET, at=NOW), now=NOW)
    assert (event.event_id, event.kind, event.payment_id, event.charge_id) == (
        "evt_1",
        ProviderEventKind.PAYMENT_SUCCEEDED,
        "pi_1",
        "ch_1",
    )
    assert (event.amount_minor, event.currency, event.paid, event.reference) == (500, "USD", True, REFERENCE)
    assert event.created_at == datetime(2026, 11, 18, 11, 6, 41, tzinfo=UTC)


def test_either_secret_holds_while_one_is_rolled() -> None:
    body = event_body()
    provider = webhooks("whsec_new", "whsec_old")
    for secret in ("whsec_new", "whsec_old"):
        assert provider.verify_event(body, signature=sign(body, secret=secret, at=NOW), now=NOW).event_id == "evt_1"


@pytest.mark.parametrize(
    "signature",
    [
        None,
        "",
        "t=1",
        "v1=ab",
        "t=x,v1=ab",
        "t=²,v1=ab",
        f"t={int(NOW.timestamp())},v1=",
        f"t={int(NOW.timestamp())},v0={'0' * 64}",
        sign(event_body(), secret="whsec_other", at=NOW),
        sign(b"{}", secret=SECRET, at=NOW),
        sign(event_body(), secret=SECRET, at=NOW - timedelta(minutes=5, seconds=1)),
        "ü" * 10_000,
    ],
)
def test_a_signature_that_does_not_hold_is_refused(signature: str | None) -> None:
    with pytest.raises(InvalidSignature) as caught:
        webhooks().verify_event(event_body(), signature=signature, now=NOW)
    assert (caught.value.status, caught.value.code) == (400, "invalid_signature")
    assert SECRET not in caught.value.detail


def test_without_a_secret_nothing_is_trusted() -> None:
    body = event_body()
    for secrets in ((), ("",), (" ",)):
        provider = StripeProvider("sk_test_1", webhook_secrets=secrets)
        with pytest.raises(InvalidSignature, match="STRIPE_WEBHOOK_SECRET"):
            provider.verify_event(body, signature=sign(body, secret="x", at=NOW), now=NOW)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'"text"',
        b"\xff\xfe",
        b"[" * 200_000,
        event_body(id=None),
        event_body(type=7),
        event_body(created="now"),
        event_body(created=10**30),
        event_body(data=None),
        event_body(data={"object": []}),
        event_body(data={"object": {"id": "pi_1"}}),
        event_body(data={"object": {"id": "pi_1", "status": "new_status"}}),
    ],
)
def test_a_signed_body_that_is_no_event_has_a_name(body: bytes) -> None:
    with pytest.raises(MalformedProviderEvent):
        webhooks().verify_event(body, signature=sign(body, secret=SECRET, at=NOW), now=NOW)


def test_an_event_of_a_type_we_do_not_know_is_unknown() -> None:
    event = webhooks().parse_event(json.loads(event_body(type="invoice.paid", data={"object": {}})))
    assert (event.kind, event.provider_type) == (ProviderEventKind.UNKNOWN, "invoice.paid")


def test_metadata_that_is_not_ours_is_no_reference() -> None:
    payload = json.loads(event_body())
    payload["data"]["object"]["metadata"] = {"cloudbill_tenant_id": "x", "cloudbill_purchase_id": 5}
    assert webhooks().parse_event(payload).reference is None
