"""A primary with a standby for each test."""

from collections.abc import Iterator

import pytest

from tests.support.pair import Pair, Template
from tests.support.servers import Kind


@pytest.fixture(scope="session")
def pair_template(server_kind: Kind) -> Iterator[Template]:
    template = Template(debian=server_kind == "debian")
    yield template
    template.delete()


@pytest.fixture
def pair(pair_template: Template) -> Iterator[Pair]:
    """`home` serves, `east` follows."""
    made = Pair(pair_template)
    try:
        made.until_streaming()
        yield made
    finally:
        made.stop()
