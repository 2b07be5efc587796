"""What a test may ask for.

Servers start when the first test asks and are shared by the run; every test has a database of its own, copied from a
template that the real migrations made, so tests commit as the product does and see nothing of each other.

    servers          where PostgreSQL and the cache of this run are (`--servers=embedded` or `debian`)
    twins            PostgreSQL 15 and 18 side by side, to move between
    server_kind      which of the two, for a test that starts servers of its own of that kind
    database_name    a fresh database, gone after the test
    settings         the product's settings for it; `make_settings(**changes)` for others
    runtime          settings, database and cache, opened;  `database` is its database alone
    connect          `await connect("app" | "operator" | "owner" | "admin")`: a plain psycopg connection
    api              an httpx client of the API in this process;  `sign_up(slug)` makes a tenant and its owner
    tenant, other    two tenants, each as its owner;  `funded_tenant` has credits for 5.00;  `operator` reads all
    own_stripe       a simulated Stripe, in this process
    simulator, api_server, worker    the same parts as processes of their own
"""

import functools
import gc
import itertools
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
import structlog
from redis.asyncio import Redis
from sqlalchemy import text

from core.billing.payments.providers.simulator.main import Simulator
from core.foundation import telemetry
from core.foundation.cache import create_cache
from core.foundation.database import Database
from core.foundation.embedded.ports import free_port
from core.foundation.runtime import Runtime
from core.foundation.settings import Settings, load_settings
from tests.support import callers, environment, lifespan
from tests.support.callers import Caller
from tests.support.dealing import dealt
from tests.support.processes import Process, answers, cloudbill
from tests.support.servers import PREFIX, Keeper, Kind, Role, Servers, ServersMissing
from tests.support.twins import Twins

_KEEPER = pytest.StashKey[Keeper]()
_numbers = itertools.count(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("cloudbill")
    group.addoption("--servers", choices=("embedded", "debian"), default="embedded", help="which servers to test on")
    group.addoption(
        "--on-servers", action="store_true", help="only tests that another PostgreSQL changes something for"
    )
    group.addoption("--proof-count", type=int, help="how much of a proof to run; without it a small sample")
    group.addoption("--proof-seed", type=int, default=1, help="what a proof draws its chances from")
    group.addoption("--durable", action="store_true", help="servers that survive a power cut, as in an installation")


def pytest_configure(config: pytest.Config) -> None:
    environment.clear()
    plain = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    before = [telemetry._add_request_id, structlog.processors.add_log_level]
    structlog.configure(processors=[*before, plain])  # errors that are drawn with care take seconds
    config.stash[_KEEPER] = Keeper(config.getoption("--servers"), durable=config.getoption("--durable"))


def pytest_unconfigure(config: pytest.Config) -> None:
    if keeper := config.stash.get(_KEEPER, None):
        keeper.stop()


def pytest_collection_finish() -> None:
    """Modules and tests stay: looking through thousands of them for circles again and again helps nobody."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--on-servers"):
        on, off = list[pytest.Item](), list[pytest.Item]()
        for item in items:
            asked = getattr(item, "fixturenames", ())
            (on if "servers" in asked or "server_kind" in asked else off).append(item)
        items[:] = on
        config.hook.pytest_deselected(items=off)
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    items[:] = [items[place] for place in dealt([item.nodeid for item in items], workers=workers)]


@pytest.fixture(scope="session")
def keeper(pytestconfig: pytest.Config) -> Keeper:
    """Holds the servers and the processes of this run."""
    return pytestconfig.stash[_KEEPER]


@pytest.fixture(scope="session")
def servers(keeper: Keeper) -> Servers:
    """The servers of this run."""
    try:
        return keeper.servers()
    except ServersMissing as reason:
        pytest.fail(f"no servers to test on: {reason}", pytrace=False)


@pytest.fixture(scope="session")
def server_kind(pytestconfig: pytest.Config) -> Kind:
    """What this run is on, for servers of a test's own."""
    return pytestconfig.getoption("--servers")


@pytest.fixture(scope="session")
def twins(pytestconfig: pytest.Config) -> Iterator[Twins]:
    """PostgreSQL 15 (or 16) and 18 side by side, to move between; started when first asked for."""
    made = Twins(durable=pytestconfig.getoption("--durable"))
    yield made
    made.stop()


@pytest.fixture
def database_name(servers: Servers) -> Iterator[str]:
    """A fresh, migrated database of this test alone."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    name = f"{PREFIX}{worker}_{os.getpid()}_{next(_numbers)}"
    servers.create_database(name)
    yield name
    servers.drop_database(name)


@pytest.fixture
def make_settings(servers: Servers, database_name: str, tmp_path: Path) -> Callable[..., Settings]:
    """Settings for this test's database, with changes."""
    # Each worker has a database of the cache of its own, emptied before each test that opens it.
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 64

    def make(**changes: Any) -> Settings:
        given = {
            "cloudbill_home": tmp_path / "home",
            "database_url": servers.url("owner", database_name),
            "database_app_url": servers.url("app", database_name),
            "database_operator_url": servers.url("operator", database_name),
            "redis_url": servers.cache.format(number=number),
            "encryption_key": environment.ENCRYPTION_KEY,
            "ledger_heads_path": tmp_path / "ledger-heads",
            "stripe_secret_key": "sk_test_tests",
            "stripe_webhook_secret": environment.STRIPE_WEBHOOK_SECRET,
            "stripe_api_base": "http://127.0.0.1:9",  # nobody listens there; `simulator` changes it
            "rate_limit_max_requests": 1_000_000,
            "log_level": "warning",
        }
        return load_settings(**{**given, **changes})

    return make


@pytest.fixture
def own_stripe() -> Iterator[Simulator]:
    """A Stripe simulator of this test's own, in this process; nobody listens to its webhooks."""
    with Simulator() as started:
        yield started


@pytest.fixture
def settings(request: pytest.FixtureRequest, make_settings: Callable[..., Settings]) -> Settings:
    """The product's settings for this test; one that asks for `own_stripe` pays there."""
    if "own_stripe" in request.fixturenames:
        return make_settings(stripe_api_base=request.getfixturevalue("own_stripe").url)
    return make_settings()


@pytest.fixture
async def cache(settings: Settings) -> AsyncIterator[Redis]:
    """An empty cache."""
    client = create_cache(settings)
    await client.flushdb()
    yield client
    await client.aclose()


@pytest.fixture
async def runtime(settings: Settings, cache: Redis) -> AsyncIterator[Runtime]:
    """What an entry point opens."""
    opened = Runtime(settings=settings, database=Database(settings), cache=cache)
    yield opened
    await opened.database.dispose()


@pytest.fixture
def database(runtime: Runtime) -> Database:
    """This test's database as the product reaches it."""
    return runtime.database


@pytest.fixture
async def connect(
    servers: Servers, database_name: str
) -> AsyncIterator[Callable[[Role], Awaitable[psycopg.AsyncConnection[Any]]]]:
    """Plain connections as any role, closed after the test."""
    async with AsyncExitStack() as opened:

        async def open_as(role: Role) -> psycopg.AsyncConnection[Any]:
            connection = await psycopg.AsyncConnection.connect(servers.url(role, database_name))
            opened.push_async_callback(connection.close)
            return connection

        yield open_as


@pytest.fixture(scope="session", autouse=True)
def _cheap_passwords() -> None:
    """A quarter of a second a password is for those who guess; processes of their own keep the real cost."""
    from core.identity.users import passwords

    passwords.COST = 4


@pytest.fixture(scope="session", autouse=True)
def _keys_at_hand() -> None:
    """Making and checking RSA keys costs more than most tests: eight take turns. Other processes make their own."""
    from core.identity.tokens import signing_keys

    made: list[Any] = []

    def generate(**wanted: Any) -> Any:
        made.append(real(**wanted) if len(made) < 8 else made[-8])
        return made[-1]

    real = signing_keys.generate_private_key
    signing_keys.generate_private_key = generate
    signing_keys.load_pem_private_key = functools.lru_cache(signing_keys.load_pem_private_key)


@pytest.fixture
async def api(settings: Settings, cache: Redis) -> AsyncIterator[httpx.AsyncClient]:
    """The API in this process, started and stopped as a server would."""
    from core.api.app import create_app

    application = create_app(settings)
    async with lifespan.started(application), lifespan.client_of(application) as client:
        yield client


@pytest.fixture
def sign_up(api: httpx.AsyncClient) -> Callable[..., Awaitable[Caller]]:
    """`await sign_up("acme")`: a new tenant and its owner; fields of the registration as keywords."""

    async def register(slug: str | None = None, **fields: Any) -> Caller:
        return await callers.sign_up(api, slug, **fields)

    return register


@pytest.fixture
async def tenant(sign_up: Callable[..., Awaitable[Caller]]) -> Caller:
    """A tenant, as its owner."""
    return await sign_up("acme")


@pytest.fixture
async def other(sign_up: Callable[..., Awaitable[Caller]]) -> Caller:
    """Another tenant, as its owner."""
    return await sign_up("globex")


@pytest.fixture
def fund(runtime: Runtime) -> Callable[..., Awaitable[None]]:
    """`await fund(caller, 5_000_000)`: micro-units of credits for the tenant's own wallet."""

    async def grant(caller: Caller, amount_micro: int, *, currency: str = "USD") -> None:
        from core.billing.credits import service as credits

        assert caller.tenant
        async with runtime.database.reading() as session:
            row = (
                await session.execute(
                    text(
                        "SELECT c.tenant_id, c.id FROM customers c JOIN tenants t ON t.id = c.tenant_id "
                        "WHERE t.slug = :slug AND c.is_self"
                    ),
                    {"slug": caller.tenant},
                )
            ).one()
        async with runtime.database.tenant(row.tenant_id) as session:
            await credits.top_up(
                session,
                tenant_id=row.tenant_id,
                customer_id=row.id,
                currency=currency,
                amount_micro=amount_micro,
                kind="grant",
                reference=f"test-{uuid4()}",
                occurred_at=datetime.now(UTC),
            )

    return grant


@pytest.fixture
async def funded_tenant(tenant: Caller, fund: Callable[..., Awaitable[None]]) -> Caller:
    """A tenant with credits for 5.00 in its wallet, as its owner."""
    await fund(tenant, 5_000_000)
    return tenant


@pytest.fixture
def make_operator(api: httpx.AsyncClient, settings: Settings) -> Callable[..., Awaitable[Caller]]:
    """`await make_operator("finance")`: an installation user, made as the command makes one and signed in."""

    async def make(role: str = "operator") -> Caller:
        email = f"{role}-{uuid4().hex[:8]}@installation.test"
        callers.create_installation_user(settings.owner_url, email, role)
        return await callers.sign_in(api, email)

    return make


@pytest.fixture
async def operator(make_operator: Callable[..., Awaitable[Caller]]) -> Caller:
    """An operator of the installation, signed in."""
    return await make_operator()


@pytest.fixture
def start_process(keeper: Keeper, tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """`start_process("worker", settings, "worker")`: one of the product's processes, killed after the test."""
    started: list[Process] = []

    def start(name: str, settings: Settings, *arguments: str) -> Process:
        env = environment.of_process(settings)
        process = Process(name, cloudbill(*arguments), env=env, folder=tmp_path, keeper=keeper)
        started.append(process)
        process.start()
        return process

    yield start
    for process in reversed(started):
        process.kill()


@pytest.fixture
def simulator(make_settings: Callable[..., Settings], start_process: Callable[..., Process]) -> str:
    """The address of a Stripe simulator of this test's own."""
    port = free_port()
    process = start_process("simulator", make_settings(stripe_port=port), "stripe-simulator")
    process.wait_until(answers(f"http://127.0.0.1:{port}/health"))
    return f"http://127.0.0.1:{port}"


@pytest.fixture
def api_server(settings: Settings, start_process: Callable[..., Process]) -> Iterator[Process]:
    """The API as a process of its own; its address is `.url`."""
    port = free_port()
    process = start_process("api", settings.model_copy(update={"port": port}), "api")
    process.url = f"http://127.0.0.1:{port}"
    process.wait_until(answers(f"{process.url}/health"))
    return process


@pytest.fixture
def worker(settings: Settings, start_process: Callable[..., Process]) -> Process:
    """The worker as a process of its own."""
    return start_process("worker", settings, "worker")
