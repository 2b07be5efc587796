"""A simulator in this process, Stripe's own client for it, our provider on it, and a shop that sells by it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import TYPE_CHECKING

import pytest
import stripe

from core.billing.payments.providers.simulator.main import Simulator
from core.billing.payments.providers.stripe import StripeProvider
from core.foundation.runtime import Runtime
from core.foundation.settings import Settings
from tests.billing.payments.receiver import SECRET, Receiver
from tests.support.callers import Caller

if TYPE_CHECKING:
    from tests.billing.payments.paid import Paid
    from tests.billing.payments.shop import Shop


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Where the simulator's webhooks go."""
    with Receiver() as started:
        yield started


@pytest.fixture(scope="module")
def shared_stripe() -> Iterator[Simulator]:
    """One for all tests of a module that look only at what they made; nobody listens to its webhooks."""
    with Simulator() as started:
        yield started


@pytest.fixture
def stripe_server(receiver: Receiver) -> Iterator[Simulator]:
    """One of this test's own, with `receiver` as its endpoint."""
    with Simulator(webhook_url=receiver.url, webhook_secret=SECRET) as started:
        yield started


def make_client(server: Simulator, key: str = "sk_test_123", version: str | None = None) -> stripe.StripeClient:
    """Stripe's client as anyone would use it."""
    return stripe.StripeClient(key, base_addresses={"api": server.url}, max_network_retries=0, stripe_version=version)


@pytest.fixture
def client(shared_stripe: Simulator) -> stripe.StripeClient:
    return make_client(shared_stripe)


@pytest.fixture
async def provider(shared_stripe: Simulator) -> AsyncIterator[StripeProvider]:
    """Ours, on the module's simulator."""
    opened = StripeProvider("sk_test_123", webhook_secrets=[SECRET], api_base=shared_stripe.url, max_network_retries=0)
    yield opened
    await opened.aclose()


@pytest.fixture
def own_stripe() -> Iterator[Simulator]:
    """One of this test's own whose webhooks the test delivers itself."""
    with Simulator() as started:
        yield started


@pytest.fixture
def settings(request: pytest.FixtureRequest, make_settings: Callable[..., Settings]) -> Settings:
    """The product's settings; a test with `own_stripe` pays there."""
    if "own_stripe" in request.fixturenames:
        # A proof goes on for longer than a token of the default lifetime holds.
        return make_settings(stripe_api_base=request.getfixturevalue("own_stripe").url, jwt_expiration="12h")
    return make_settings()


@pytest.fixture
async def shop(own_stripe: Simulator, tenant: Caller, runtime: Runtime) -> "AsyncIterator[Shop]":
    """A tenant that buys."""
    from core.billing.payments.gateway import close_providers
    from tests.billing.payments.shop import Shop

    yield Shop(tenant, own_stripe, runtime)
    await close_providers()


@pytest.fixture
async def paid(
    own_stripe: Simulator, sign_up: "Callable[..., Awaitable[Caller]]", runtime: Runtime
) -> "AsyncIterator[Paid]":
    """A test tenant whose customers are charged for their subscriptions."""
    from sqlalchemy import text

    from core.billing.payments.gateway import close_providers
    from tests.billing.payments.paid import NOW, Paid

    caller = await sign_up("paid", testClock=NOW)
    async with runtime.database.reading() as session:
        tenant_id = await session.scalar(text("SELECT id FROM tenants WHERE slug = 'paid'"))
    opened = Paid(caller, own_stripe, runtime, tenant_id)
    await opened.open()
    yield opened
    await close_providers()
