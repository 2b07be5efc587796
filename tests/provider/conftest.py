"""What the tests of the provider share: one linked provider, and each stack judged once by whoever comes first."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.provider import terraform
from tests.provider.judging import Judge, Judgement
from tests.provider.once import once
from tests.provider.stacks import graph_of


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder of this run, common to all its workers."""
    base = tmp_path_factory.getbasetemp()
    return (base if worker_id == "master" else base.parent) / "provider"


@pytest.fixture(scope="session")
def judge(shared: Path) -> Judge:
    """The real provider; the test is left out where there is none."""
    if reason := terraform.missing():
        pytest.skip(reason)
    return Judge(shared)


@pytest.fixture(scope="session")
def planned(judge: Judge, shared: Path) -> Callable[[str], Judgement]:
    """The provider's judgement of a stack or variant: validated and planned."""

    def ask(name: str) -> Judgement:
        found = once(shared, f"planned-{name}", lambda: judge.planned(graph_of(name), name).to_json())
        return Judgement.from_json(found)

    return ask
