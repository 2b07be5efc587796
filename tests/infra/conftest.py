"""What a test of the program may ask for."""

from collections.abc import Callable

import pytest

from infra.graph import Graph
from tests.infra.recorded import recorded


@pytest.fixture(scope="session")
def graphs() -> Callable[[str], Graph]:
    """Each stack's graph, recorded once; `STACK --preview` as a preview sees it."""
    return recorded
