"""How much of a proof is run: a small sample in the suite, all of it by `make proof`."""

import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import httpx
import pytest

from core.foundation.settings import Settings
from tests.support.processes import Process


@dataclass(frozen=True, kw_only=True)
class Scale:
    """The count and the seed of this run."""

    asked: int | None
    seed: int
    chance: random.Random

    def count(self, sample: int) -> int:
        """What was asked for, or the sample that the suite runs."""
        return self.asked or sample


@pytest.fixture
def scale(pytestconfig: pytest.Config) -> Scale:
    """How much to run."""
    seed: int = pytestconfig.getoption("--proof-seed")
    return Scale(asked=pytestconfig.getoption("--proof-count"), seed=seed, chance=random.Random(seed))


@pytest.fixture
def say(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """`say("100 of 2,000 charged")`: the proof's one line."""
    return lambda line: record_property("result", line)


@pytest.fixture
def settings(make_settings: Callable[..., Settings]) -> Settings:
    """Tokens that outlast the proof."""
    return make_settings(jwt_expiration="12h", log_level="error")


@pytest.fixture
async def over_http(api_server: Process) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the API as a process of its own, with as many connections as are asked for."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=128)
    async with httpx.AsyncClient(base_url=api_server.url, timeout=30, trust_env=False, limits=limits) as client:
        yield client
