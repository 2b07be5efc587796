"""A folder that PostgreSQL's account can enter even when root runs the tests: pytest's own folders are closed."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.foundation.embedded.postgres import EmbeddedPostgres
from core.foundation.embedded.valkey import EmbeddedValkey


@pytest.fixture
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="cloudbill-embedded-"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def postgres(folder: Path) -> Iterator[EmbeddedPostgres]:
    """One that was not started yet."""
    server = EmbeddedPostgres(folder / "postgres", options={"shared_buffers": "32MB"}, elsewhere=folder / "elsewhere")
    yield server
    server.delete()


@pytest.fixture
def valkey(folder: Path) -> Iterator[EmbeddedValkey]:
    """One that was not started yet."""
    server = EmbeddedValkey(folder / "valkey")
    yield server
    server.delete()
