"""Google's fake, a Cloud SQL in it, and pauses that are counted instead of waited for."""

from collections.abc import Iterator

import pytest

from core.operations.clouds import google as asking
from core.operations.clouds.base import Place
from tests.support.cloud_sql import PROJECT, REGION, CloudSql
from tests.support.google import Google, fake

PLACE = Place(cloud="gcp", region=REGION, project=PROJECT)


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch) -> Iterator[Google]:
    with fake() as google:
        for name, value in google.environment().items():
            monkeypatch.setenv(name, value)
        yield google


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that were to be waited, each time; those between the looks at an operation are zero."""
    waited: list[float] = []
    monkeypatch.setattr(asking, "sleep", waited.append)
    return waited


@pytest.fixture
def sql(google: Google, pauses: list[float]) -> CloudSql:
    cloud = CloudSql(google)
    cloud.add()
    return cloud


@pytest.fixture
def place() -> Place:
    return PLACE
