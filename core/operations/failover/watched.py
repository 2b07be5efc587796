"""A place as the worker sees it, with the application's login, since it has no other: enough to say what a failover
would do, and nothing to do it with. Whether the mover's login works is not looked at.
"""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

import psycopg

from core.foundation.serving import at
from core.foundation.settings import Settings
from core.operations.clouds.base import Place, Standbys, standbys_of
from core.operations.failover.errors import NotReady
from core.operations.failover.grounds import CONNECT_SECONDS, Connection, HereGround


class WatchedHere(HereGround):
    """This machine, for plans only."""

    @contextmanager
    def mover(self, endpoint: str) -> Generator[Connection]:
        """How a fence stands, the application may ask."""
        url = at(self._settings.app_url, endpoint)
        with psycopg.connect(url, autocommit=True, connect_timeout=CONNECT_SECONDS) as connection:
            yield connection


class WatchedGround:
    """A stack in a cloud, for plans only."""

    def __init__(self, settings: Settings, place: Place, database: str) -> None:
        self.name = database
        self.runbook = "docs/runbooks/failover.md"
        self.journals = Path("/nonexistent")
        self._settings, self._place, self._database = settings, place, database

    @property
    def standbys(self) -> Standbys:
        """By the cloud's API."""
        return standbys_of(self._place, self._database)

    def primary(self) -> str:
        """Where the application's connections lead."""
        parts = urlsplit(self._settings.app_url)
        return f"{parts.hostname}:{parts.port or 5432}"

    def endpoint(self, standby: str) -> str | None:
        """Nobody tells it before it is promoted."""
        return None

    @contextmanager
    def mover(self, endpoint: str) -> Generator[Connection]:
        """Where the application's connections lead, how the fence stands."""
        with psycopg.connect(self._settings.app_url, autocommit=True, connect_timeout=CONNECT_SECONDS) as connection:
            yield connection

    def switch(self, endpoint: str, *, epoch: int) -> NoReturn:
        """Never from here."""
        raise NotReady("a worker plans a failover and runs none: `cloudbill failover run --stack NAME`")

    def record(self, endpoint: str, document: dict[str, Any]) -> NoReturn:
        """Never from here."""
        raise NotReady("a worker plans a failover and runs none: `cloudbill failover run --stack NAME`")

    def rebuild(self, name: str, *, mark: str) -> NoReturn:
        """Never from here."""
        raise NotReady("a worker plans a failover and runs none: `cloudbill failover back --stack NAME`")
