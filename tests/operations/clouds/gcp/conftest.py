"""Google's fake, a Cloud SQL in it, and pauses that are counted instead of waited for.

Each call is noted with the permission that it needs, and the notes are held against tests/infra/calls-gcp.json, which
the grants of the program are traced to; `CLOUDBILL_RECORD_CALLS=1` writes it anew.
"""

import os
from collections.abc import Iterator

import pytest

from core.operations.clouds import google as asking
from core.operations.clouds.base import Place
from tests.support import google_calls
from tests.support.cloud_sql import PROJECT, REGION, CloudSql
from tests.support.google import Google, fake

PLACE = Place(cloud="gcp", region=REGION, project=PROJECT)


@pytest.fixture(scope="module", autouse=True)
def held_against_what_was_seen() -> Iterator[None]:
    """What is called and not in the file fails here; what is in the file and is called by nothing, in tests/infra."""
    yield
    if os.environ.get("CLOUDBILL_RECORD_CALLS"):
        google_calls.write()
    kept = google_calls.kept()
    new = [(key, test) for key, tests in google_calls.SEEN.items() for test in tests if test not in kept.get(key, ())]
    assert new == [], "run these tests with CLOUDBILL_RECORD_CALLS=1, and review tests/infra/calls-gcp.json"


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Google]:
    with fake() as google:
        for name, value in google.environment().items():
            monkeypatch.setenv(name, value)
        with google_calls.recording(google, request.node.path):
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
