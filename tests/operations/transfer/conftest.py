"""Two servers, 15 and 18, with the logins that the clouds grant; a fresh database on each."""

from collections.abc import Iterator

import pytest

from tests.support.twins import Place, Twins


@pytest.fixture(scope="session")
def twins() -> Iterator[Twins]:
    """Both servers, started when first asked for."""
    made = Twins()
    yield made
    made.stop()


@pytest.fixture
def pair(twins: Twins) -> Iterator[tuple[Place, Place]]:
    """A database on the older server and one on the newer."""
    older, newer = twins.pair()
    yield older, newer
    twins.drop(older)
    twins.drop(newer)
