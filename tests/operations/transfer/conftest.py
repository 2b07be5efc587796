"""Two servers, 15 and 18, with the logins that the clouds grant; a fresh database on each; Redis 7 and Valkey 9."""

import asyncio
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from core.billing.ledger.heads import Heads
from core.billing.ledger.sealing import seal_all
from core.billing.ledger.signing import load_signing_keys
from core.foundation.database import Database
from core.foundation.embedded.valkey import EmbeddedValkey
from core.foundation.settings import Settings, load_settings
from tests.support.moved_books import furnish
from tests.support.twins import Place, Twins

LEDGER_KEY, OTHER_LEDGER_KEY = (Fernet.generate_key().decode() for _ in range(2))
ENCRYPTION_KEY = Fernet.generate_key().decode()


@dataclass(frozen=True)
class Caches:
    """Addresses with `{number}` for one of 16 databases."""

    redis: str
    valkey: str


@pytest.fixture
def pair(twins: Twins) -> Iterator[tuple[Place, Place]]:
    """A database on the older server and one on the newer."""
    older, newer = twins.pair()
    yield older, newer
    twins.drop(older)
    twins.drop(newer)


@pytest.fixture(scope="session")
def caches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caches]:
    """Redis 7 of Debian (another Valkey where it is not installed) and the embedded Valkey."""
    folder, found = tmp_path_factory.mktemp("caches"), shutil.which("redis-server")
    servers = [
        EmbeddedValkey(folder / "redis", Path(found) if found else None, {"appendonly": "no"}).start(),
        EmbeddedValkey(folder / "valkey", None, {"appendonly": "no"}).start(),
    ]
    redis, valkey = (server.url().removesuffix("0") + "{number}" for server in servers)
    yield Caches(redis=redis, valkey=valkey)
    for server in servers:
        server.delete()


@pytest.fixture(scope="session")
def settings_of(caches: Caches, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Settings]:
    """`settings_of(place, cache="redis", number=3)`: an installation on that database, with keys that all share."""

    def make(place: Place, *, cache: str = "redis", number: int = 0, **changes: Any) -> Settings:
        home = tmp_path_factory.mktemp("home")
        given = {
            "cloudbill_home": home,
            "database_url": place.url("owner"),
            "database_app_url": place.url("app"),
            "database_operator_url": place.url("operator"),
            "database_mover_url": place.url("mover"),
            "redis_url": getattr(caches, cache).format(number=number),
            "encryption_key": ENCRYPTION_KEY,
            "ledger_signing_key": LEDGER_KEY,
            "ledger_heads_path": home / "ledger-heads",
        }
        return load_settings(**{**given, **changes})

    return make


@pytest.fixture(scope="session")
def source(twins: Twins, settings_of: Callable[..., Settings]) -> Settings:
    """An installation on PostgreSQL 15 with three tenants' books, sealed; nobody writes to it."""
    place = twins.place("old", "cloudbill_test_source")
    furnish(place, tenants=3, users=400)
    settings = settings_of(place, cache="redis", number=1)

    async def seal() -> None:
        database = Database(settings)
        await seal_all(database, Heads(settings.heads_path, load_signing_keys(settings)), thorough=True)
        await database.dispose()

    asyncio.run(seal())
    return settings


@pytest.fixture
def empty(twins: Twins, pair: tuple[Place, Place], settings_of: Callable[..., Settings]) -> Settings:
    """A migrated installation on PostgreSQL 18 that nobody ever used."""
    return settings_of(pair[1], cache="valkey", number=2)
