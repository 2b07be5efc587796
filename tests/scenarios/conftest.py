"""One installation for all stories of a worker: a database, the API in this process, a simulated Stripe, a listener.

Every story has a tenant of its own, with a clock of its own, so that stories see nothing of each other.
"""

import itertools
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from core.api.app import create_app
from core.billing.payments.gateway import close_providers
from core.billing.payments.providers.simulator.main import Simulator
from core.foundation.cache import create_cache
from core.foundation.database import Database
from core.foundation.runtime import Runtime
from core.foundation.settings import load_settings
from tests.scenarios.listening import Ears
from tests.scenarios.story import House, Story
from tests.support import callers, environment, lifespan
from tests.support.servers import PREFIX, Servers

HERE = Path(__file__).parent
_numbers = itertools.count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Stories share a loop, as they share what runs in it."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def house(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """What all stories share."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    name = f"{PREFIX}{worker}_{os.getpid()}_stories"
    folder = tmp_path_factory.mktemp("stories")
    servers.create_database(name)
    with Simulator() as stripe, Ears() as ears:
        settings = load_settings(
            cloudbill_home=folder / "home",
            database_url=servers.url("owner", name),
            database_app_url=servers.url("app", name),
            database_operator_url=servers.url("operator", name),
            redis_url=servers.cache.format(number=63),
            encryption_key=environment.ENCRYPTION_KEY,
            ledger_heads_path=folder / "ledger-heads",
            stripe_secret_key="sk_test_tests",
            stripe_webhook_secret=environment.STRIPE_WEBHOOK_SECRET,
            stripe_api_base=stripe.url,
            rate_limit_max_requests=1_000_000,
            webhooks_allow_private=True,
            log_level="warning",
        )
        runtime = Runtime(settings=settings, database=Database(settings), cache=create_cache(settings))
        application = create_app(settings)
        async with lifespan.started(application), lifespan.client_of(application) as client:
            yield House(client=client, runtime=runtime, stripe=stripe, ears=ears)
        await close_providers()
        await runtime.cache.aclose()
        await runtime.database.dispose()
    servers.drop_database(name)


@pytest_asyncio.fixture(loop_scope="session")
async def begin(house: House) -> AsyncIterator[Callable[..., Awaitable[Story]]]:
    """`await begin("2026-01-31T10:00:00Z")`: a tenant whose clock stands there. In the end its books must agree."""
    begun: list[Story] = []

    async def at(now: str, **settings: Any) -> Story:
        currency = settings.pop("currency", "EUR")
        slug = f"story-{next(_numbers)}"
        caller = await callers.sign_up(house.client, slug, testClock=now, currency=currency)
        story = Story(house=house, caller=caller, slug=slug)
        await story.listens()
        await story.bills_as(**settings)
        begun.append(story)
        return story

    yield at
    for story in begun:
        await story.books_agree()
