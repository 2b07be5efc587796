"""The write fence: whether a server may be written, held by the server itself (migrations/sql/0006).

open: all write. standby: only the mover, it is being filled. closed: only the mover; `successor` says who serves now.
Moving it waits for the writers under way and needs the mover's rights. Everything here is psycopg, blocking; the
connections are in autocommit, so that each change is there when the call returns.
"""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, LiteralString

import psycopg

FENCED = "CB001"
"""The SQLSTATE of a write that the fence refused."""
EPOCH_TOO_OLD = "CB002"
"""The SQLSTATE of an opening by somebody who has missed a later closing or opening."""
FENCE_KEY = 439804650341
"""The advisory lock that every writer shares until its commit; whoever holds it alone makes the others wait."""

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)

Connection = psycopg.Connection[Any]


class FenceError(Exception):
    """Base of what goes wrong with the fence; `code` is stable."""

    code = "fence_error"


class WritesFenced(FenceError):
    """The server refuses writes."""

    code = "writes_fenced"


class EpochTooOld(FenceError):
    """Somebody moved the fence later than whoever asks; it stays as it is."""

    code = "fence_epoch_too_old"


class WritersUnderWay(FenceError):
    """Writers did not end within the time given; the fence stays as it was, and they go on."""

    code = "fence_writers_under_way"


class FenceMissing(FenceError):
    """The schema is older than the fence."""

    code = "fence_missing"


@dataclass(frozen=True, kw_only=True)
class Fence:
    """How it stands."""

    state: str
    epoch: int
    reason: str
    successor: str | None
    """host:port of who serves now."""
    changed_at: datetime

    @property
    def is_open(self) -> bool:
        """Whether everybody may write."""
        return self.state == "open"


def is_fenced(error: BaseException | None) -> bool:
    """Whether an error of psycopg, or of SQLAlchemy around one, is the fence's refusal."""
    origin = getattr(error, "orig", error)
    return isinstance(origin, psycopg.Error) and origin.diag.sqlstate == FENCED


def is_held(error: BaseException | None) -> bool:
    """Whether a writer gave up waiting for somebody who holds the fence."""
    origin = getattr(error, "orig", error)
    return isinstance(origin, psycopg.Error) and "refuse_when_fenced" in (origin.diag.context or "")


def standing(connection: Connection) -> Fence:
    """How it stands; asked as the application, the mover or the owner. Raises FenceMissing."""
    row = _asked(connection, "SELECT state, epoch, reason, successor, changed_at FROM write_standing()")
    return Fence(state=row[0], epoch=row[1], reason=row[2], successor=row[3], changed_at=row[4])


def refusals(connection: Connection) -> int:
    """Writes refused so far. Take differences: after a crash of the server it may be up to 32 too large."""
    row = _asked(connection, "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM write_refusals")
    return row[0]


@contextmanager
def held(connection: Connection, *, patience: float | None = None) -> Generator[None]:
    """Writers wait as long as this is held, and all that were under way are done when it begins.

    It is lost with the connection: then they simply go on. `patience`, in seconds, bounds the wait for the writers
    under way. Raises WritersUnderWay. The mover's own writes never wait.
    """
    with _patient(connection, patience):
        connection.execute("SELECT pg_advisory_lock(%s)", [FENCE_KEY])
    try:
        yield
    finally:
        if not connection.closed and not connection.broken:
            connection.execute("SELECT pg_advisory_unlock(%s)", [FENCE_KEY])


def close(connection: Connection, *, reason: str, successor: str | None = None, patience: float | None = None) -> int:
    """Nobody but the mover writes any more once this returns; the epoch it is closed in. Asked twice it is done once.

    Raises WritersUnderWay after `patience` seconds.
    """
    with _patient(connection, patience):
        return _asked(connection, "SELECT close_writes(%s, %s)", reason, successor)[0]


def open_(connection: Connection, epoch: int, *, reason: str) -> None:
    """Lets everybody write. `epoch` must be greater than any this server has seen. Raises EpochTooOld."""
    try:
        _asked(connection, "SELECT open_writes(%s, %s)", epoch, reason)
    except psycopg.Error as error:
        if error.diag.sqlstate == EPOCH_TOO_OLD:
            raise EpochTooOld(f"{error.diag.message_primary}: ask how the fence stands, and who moved it") from None
        raise


def stand_by(connection: Connection, *, reason: str) -> None:
    """Nobody but the mover writes: this server is being filled."""
    _asked(connection, "SELECT stand_by(%s)", reason)


def _asked(connection: Connection, statement: LiteralString, *values: object) -> tuple[Any, ...]:
    try:
        row = connection.execute(statement, values or None).fetchone()
    except (psycopg.errors.UndefinedFunction, psycopg.errors.UndefinedTable):
        raise FenceMissing(
            "this database has no write fence: its schema is older; `cloudbill migrate` brings it up to date"
        ) from None
    assert row
    return row


@contextmanager
def _patient(connection: Connection, seconds: float | None) -> Generator[None]:
    if seconds is None:
        yield
        return
    before = connection.execute("SELECT current_setting('lock_timeout')").fetchone()
    assert before
    connection.execute("SELECT set_config('lock_timeout', %s, false)", [f"{max(1, int(seconds * 1000))}ms"])
    try:
        yield
    except psycopg.errors.LockNotAvailable:
        raise WritersUnderWay(
            f"writers are under way for more than {seconds:g} s ({_writers(connection)}): nothing was changed; "
            "wait for them or end them, and try again"
        ) from None
    finally:
        if not connection.closed and not connection.broken:
            connection.execute("SELECT set_config('lock_timeout', %s, false)", before)


def _writers(connection: Connection) -> str:
    rows = connection.execute(
        "SELECT DISTINCT l.pid, a.usename, a.application_name FROM pg_locks l LEFT JOIN pg_stat_activity a USING (pid) "
        "WHERE l.locktype = 'advisory' AND l.granted AND l.classid = %s AND l.objid = %s AND l.pid <> pg_backend_pid() "
        "ORDER BY 1 LIMIT 5",
        [FENCE_KEY >> 32, FENCE_KEY & 0xFFFFFFFF],
    ).fetchall()
    return ", ".join(f"process {pid} of {user or '?'} {name or ''}".strip() for pid, user, name in rows) or "unnamed"
