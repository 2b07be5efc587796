"""Every call that we make at Stripe, replayed against Stripe's own mock: no parameter is invented.

The mock checks each request against Stripe's published OpenAPI document and refuses what that does not know. It keeps
no state. Get it with `go install github.com/stripe/stripe-mock@latest`; without it these tests are left out.
"""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

import httpx
import pytest
import stripe

from core.billing.payments.providers.base import (
    CheckoutRequest,
    CheckoutStatus,
    PaymentProvider,
    PaymentRequest,
    PurchaseReference,
    RefundReason,
    RefundRequest,
)
from core.billing.payments.providers.errors import ProviderRejected
from core.billing.payments.providers.saving import (
    ChargeReference,
    ChargeRequest,
    CustomerReference,
    SetupPageRequest,
    SetupReference,
)
from core.billing.payments.providers.stripe import StripeProvider

REFERENCE = PurchaseReference(tenant_id=UUID(int=1), purchase_id=UUID(int=2))

# Known to the API version of our library, not yet to the mock's document (2026-08-26): taken out before it is asked.
NEWER_THAN_THE_MOCK = {
    "/v1/checkout/sessions": "allowed_payment_method_types",
    "/v1/setup_intents": "allowed_payment_method_types",
}


def find_stripe_mock() -> str | None:
    """On PATH, in GOBIN, or where `go install` puts it."""
    places = [os.environ.get("GOBIN"), str(Path.home() / "go" / "bin")]
    return shutil.which("stripe-mock") or shutil.which("stripe-mock", path=os.pathsep.join(p for p in places if p))


@pytest.fixture(scope="module")
def mock_address() -> Iterator[str]:
    binary = find_stripe_mock()
    if binary is None:
        pytest.skip("stripe-mock is not installed: go install github.com/stripe/stripe-mock@latest")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [binary, "-http-addr", f"127.0.0.1:{port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(200):
            if process.poll() is not None:
                pytest.fail(f"stripe-mock ended with {process.returncode}")
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture
async def provider(mock_address: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StripeProvider]:
    send = httpx.AsyncClient.request

    async def send_what_the_mock_knows(self: httpx.AsyncClient, method: str, url: str, **options: Any) -> Any:
        newer = NEWER_THAN_THE_MOCK.get(httpx.URL(url).path)
        if newer and options["content"]:
            known = [pair for pair in parse_qsl(options["content"]) if not pair[0].startswith(newer)]
            options["content"] = urlencode(known)
        return await send(self, method, url, **options)

    monkeypatch.setattr(httpx.AsyncClient, "request", send_what_the_mock_knows)
    provider = StripeProvider("sk_test_123", api_base=mock_address, max_network_retries=0)
    yield provider
    await provider.aclose()


def checkout_request(expires_at: datetime | None = None) -> CheckoutRequest:
    return CheckoutRequest(
        reference=REFERENCE,
        amount_minor=500,
        currency="USD",
        item_name="Starter",
        success_url="https://example.com/paid",
        cancel_url="https://example.com/back",
        expires_at=expires_at,
    )


async def test_each_call_about_a_payment_is_one_that_stripe_publishes(provider: PaymentProvider) -> None:
    request = PaymentRequest(reference=REFERENCE, amount_minor=500, currency="USD", description="Starter")
    assert (await provider.create_payment(request, idempotency_key="a")).payment_id.startswith("pi_")
    assert (await provider.get_payment("pi_1")).payment_id == "pi_1"
    confirmed = await provider.confirm_payment(
        "pi_1", card="pm_card_visa", return_url="https://example.com", idempotency_key="b"
    )
    assert confirmed.payment_id == "pi_1"
    assert (await provider.cancel_payment("pi_1", idempotency_key="c")).payment_id == "pi_1"


async def test_each_call_about_checkout_is_one_that_stripe_publishes(provider: PaymentProvider) -> None:
    request = checkout_request(datetime.now(UTC) + timedelta(hours=1))
    checkout = await provider.create_checkout(request, idempotency_key="a")
    assert checkout.checkout_id.startswith("cs_test_")
    assert (await provider.get_checkout("cs_test_1")).checkout_id == "cs_test_1"
    assert (await provider.expire_checkout("cs_test_1", idempotency_key="b")).status in CheckoutStatus


async def test_each_call_about_a_refund_is_one_that_stripe_publishes(provider: PaymentProvider) -> None:
    for reason in RefundReason:
        request = RefundRequest(
            reference=REFERENCE, payment_id="pi_1", refund_id=UUID(int=3), amount_minor=100, reason=reason
        )
        assert (await provider.create_refund(request, idempotency_key=reason)).provider_refund_id.startswith("re_")
    assert (await provider.get_refund("re_1")).provider_refund_id == "re_1"
    assert isinstance(await provider.list_refunds("pi_1"), list)


async def test_each_call_about_a_saved_card_is_one_that_stripe_publishes(provider: PaymentProvider) -> None:
    customer = CustomerReference(tenant_id=UUID(int=1), customer_id=UUID(int=4))
    clock = await provider.create_clock(datetime(2026, 1, 1, tzinfo=UTC), idempotency_key="a")
    assert (await provider.create_customer(customer, clock_id=clock, idempotency_key="b")).startswith("cus_")
    saving = SetupReference(tenant_id=UUID(int=1), setup_id=UUID(int=5))
    assert (await provider.create_setup(saving, customer_id="cus_1", idempotency_key="c")).setup_id.startswith("seti_")
    assert (await provider.get_setup("seti_1")).setup_id == "seti_1"
    assert (await provider.cancel_setup("seti_1", idempotency_key="d")).setup_id == "seti_1"
    page = SetupPageRequest(
        reference=saving,
        customer_id="cus_1",
        currency="USD",
        success_url="https://example.com/saved",
        cancel_url="https://example.com/back",
    )
    assert (await provider.create_setup_page(page, idempotency_key="e")).checkout_id.startswith("cs_test_")
    assert (await provider.get_card("pm_1")).method_id == "pm_1"
    await provider.detach_card("pm_1", idempotency_key="f")


async def test_each_call_about_a_charge_is_one_that_stripe_publishes(provider: PaymentProvider) -> None:
    request = ChargeRequest(
        reference=ChargeReference(tenant_id=UUID(int=1), payment_id=UUID(int=6)),
        customer_id="cus_1",
        amount_minor=2900,
        currency="EUR",
        description="Invoice 2026-0001",
    )
    assert (await provider.create_charge(request, idempotency_key="a")).payment_id.startswith("pi_")
    assert (await provider.charge_away("pi_1", method_id="pm_1", idempotency_key="b")).payment_id == "pi_1"
    assert [moved async for moved in provider.list_movements(datetime(2026, 1, 1, tzinfo=UTC))]
    assert [payout async for payout in provider.list_payouts(datetime(2026, 1, 1, tzinfo=UTC))]


async def test_each_reading_call_is_one_that_stripe_publishes(provider: PaymentProvider) -> None:
    assert (await provider.get_dispute("dp_1")).dispute_id == "dp_1"
    assert [event async for event in provider.list_events(datetime(2026, 1, 1, tzinfo=UTC))]
    assert (await provider.get_account_id()).startswith("acct_")


async def test_the_mock_does_refuse_an_invented_parameter(provider: StripeProvider, mock_address: str) -> None:
    client = stripe.StripeClient("sk_test_123", base_addresses={"api": mock_address})
    with pytest.raises(stripe.InvalidRequestError):
        client.raw_request("post", "/v1/payment_intents", amount=500, currency="usd", invented="yes")


async def test_what_the_mock_does_not_know_yet_is_in_the_types_of_our_library(
    mock_address: str,
) -> None:
    types = {
        "/v1/checkout/sessions": stripe.params.checkout.SessionCreateParams,
        "/v1/setup_intents": stripe.params.SetupIntentCreateParams,
    }
    for path, parameter in NEWER_THAN_THE_MOCK.items():
        assert parameter in types[path].__annotations__
    unfiltered = StripeProvider("sk_test_123", api_base=mock_address, max_network_retries=0)
    try:
        # Once this passes, the mock has caught up: take the parameter out of NEWER_THAN_THE_MOCK.
        with pytest.raises(ProviderRejected):
            await unfiltered.create_checkout(checkout_request(), idempotency_key="a")
    finally:
        await unfiltered.aclose()
