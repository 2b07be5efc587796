"""Where this process finds its database: it waits while the write fence is closed, and follows who serves now.

The same logins at the successor's host and port, or DATABASE_APP_URL_AFTER_MOVE and DATABASE_OPERATOR_URL_AFTER_MOVE
where they are given. Followed is only a server that is open in a greater epoch than any this process has seen: neither
an old primary that came back nor a standby is. Where the old server is gone, the file `serving.json` names who took its
place on this machine; in a cloud that is the address's own business.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

import psycopg
import structlog
from prometheus_client import Counter

from core.foundation import fence
from core.foundation.errors import Unavailable
from core.foundation.serving import at, read_serving
from core.foundation.settings import Settings

FENCED_WRITES = Counter("cloudbill_fenced_writes_total", "Writes of this process that the write fence refused.")
FOLLOWED = Counter("cloudbill_database_followed_total", "How often this process went on at another server.")

_POLL_SECONDS = 0.1
_log: structlog.stdlib.BoundLogger = structlog.get_logger("following")


class WritesPaused(Unavailable):
    """The database takes no writes just now, since it is being moved or failed over."""

    code = "writes_paused"
    title = "Writing is paused for a moment"

    def __init__(self) -> None:
        super().__init__(
            "The database is being moved or failed over. Nothing was changed; send the request again, with the same "
            "key if it has one."
        )
        self.headers = {"Retry-After": "5"}


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """The logins of this process at one server."""

    app: str
    operator: str
    epoch: int


def where(settings: Settings, *, now: Addresses | None = None) -> Addresses | None:
    """Who may be written at this moment: the present server, or one that took its place; None while nobody may.

    Blocks. A schema that knows no fence is open.
    """
    now = now or Addresses(app=settings.app_url, operator=settings.operator_url, epoch=0)
    here = _ask(now.app)
    serving = read_serving(settings.cloudbill_home)
    # A server that was cut off without being asked may come back and think that it is open.
    overtaken = (
        serving is not None and serving.replaces(now.app) and serving.epoch > max(now.epoch, here.epoch if here else 0)
    )
    if here is not None and here.is_open and here.epoch >= now.epoch and not overtaken:
        return Addresses(app=now.app, operator=now.operator, epoch=here.epoch)
    seen = max(now.epoch, here.epoch if here else 0)
    named = serving.endpoint if serving and overtaken else here.successor if here else None
    if named is None:
        return None
    after_app, after_operator = settings.database_app_url_after_move, settings.database_operator_url_after_move
    there = Addresses(
        app=after_app.get_secret_value() if after_app else at(settings.app_url, named),
        operator=after_operator.get_secret_value() if after_operator else at(settings.operator_url, named),
        epoch=seen,
    )
    standing = _ask(there.app)
    if standing is None or not standing.is_open or standing.epoch <= seen:
        return None
    return Addresses(app=there.app, operator=there.operator, epoch=standing.epoch)


def _ask(url: str) -> fence.Fence | None:
    """How the fence of a server stands; None where nobody answers or it is a standby by its files."""
    try:
        with psycopg.connect(url, autocommit=True, connect_timeout=3) as connection:
            row = connection.execute("SELECT pg_is_in_recovery()").fetchone()
            return None if row and row[0] else fence.standing(connection)
    except fence.FenceMissing:
        return fence.Fence(state="open", epoch=0, reason="", successor=None, changed_at=fence.LONG_AGO)
    except psycopg.Error:
        return None


class Following:
    """One a process. `moved` is called after each change of the server, before anybody goes on."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._now = Addresses(app=settings.app_url, operator=settings.operator_url, epoch=0)
        self._looking: asyncio.Task[bool] | None = None
        self.moved: list[Callable[[], Awaitable[None]]] = []
        self.paused = False
        """Whether a write was refused and nobody is known yet who takes it."""

    @property
    def app_url(self) -> str:
        """PostgreSQL as the application, where it serves now."""
        return self._now.app

    @property
    def operator_url(self) -> str:
        """PostgreSQL as the reading operator, where it serves now."""
        return self._now.operator

    @property
    def patience_seconds(self) -> float:
        """How long a request waits for writes to be open again."""
        return self._settings.writes_paused_wait.total_seconds()

    def met(self) -> None:
        """A write was refused: all that follow wait."""
        FENCED_WRITES.inc()
        self.paused = True

    async def lost(self) -> None:
        """The server does not answer: somebody may have taken its place on this machine."""
        serving = await asyncio.to_thread(read_serving, self._settings.cloudbill_home)
        if serving and serving.replaces(self._now.app):
            self.paused = True

    async def settled(self, *, seconds: float | None = None) -> bool:
        """Waits until writes are open, here or at a successor, which is followed; false after `seconds`."""
        until = time.monotonic() + (self.patience_seconds if seconds is None else seconds)
        while True:
            if self._looking is None or self._looking.done():
                self._looking = asyncio.create_task(self._look())
            if await asyncio.shield(self._looking):
                return True
            if time.monotonic() >= until:
                return False
            await asyncio.sleep(_POLL_SECONDS)

    async def _look(self) -> bool:
        found = await asyncio.to_thread(where, self._settings, now=self._now)
        if found is None:
            return False
        elsewhere = found.app != self._now.app
        self._now = found
        if elsewhere:
            FOLLOWED.inc()
            _log.warning("database_followed", endpoint=urlsplit(found.app).netloc.rpartition("@")[2], epoch=found.epoch)
            for moved in self.moved:
                await moved()
        self.paused = False
        return True
