"""Each stack is recorded once for all tests that look at it."""

from collections.abc import Callable

import pytest

from infra.graph import Graph
from infra.recording.program import record


@pytest.fixture(scope="session")
def graphs() -> Callable[[str], Graph]:
    """The graph of a stack as its committed file says; `STACK --preview` as a preview sees it."""
    recorded: dict[str, Graph] = {}

    def of(stack: str) -> Graph:
        if stack not in recorded:
            name, _, preview = stack.partition(" ")
            recorded[stack] = record(name, preview=bool(preview))
        return recorded[stack]

    return of
