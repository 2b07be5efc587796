"""Lines that are minded: a statement whose answer will never come is broken, one that the server works on is named.

A wire may swallow everything and still look alive (a proxy, a NAT that forgot): no keepalive finds that, and a digest
of everything is as silent for minutes. So who waits longer than a moment is looked after on another line: what does
the server say it does for that session? Nothing, or it waits for us: then answer or question was lost on the way.
"""

import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from weakref import WeakSet

import psycopg
from psycopg.abc import RV, PQGen

SAY_AFTER_SECONDS = 2.0
"""From then on it is said whose answer is waited for."""
LOOK_AFTER_SECONDS = 5.0
"""From then on a statement is looked after, every few seconds."""
LOOK_EVERY_SECONDS = 3.0
DEAF_SECONDS = 30.0
"""A server that has not answered anybody for so long is taken for gone."""

Look = Callable[[], AbstractContextManager[psycopg.Connection[Any]]]
"""Opens another line to the same server for a short while, or raises psycopg.Error in time."""


class Minded(psycopg.Connection[Any]):
    """A connection that says which server a failure came from, and that does not wait for ever."""

    place = ""
    """The server, without a password."""
    look: Look | None = None

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.waits: Wait | None = None

    def mind(self, place: str, look: Look) -> None:
        """From now on."""
        self.place, self.look = place, look
        _mind(self)

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """As psycopg's own; whoever minds this line knows since when."""
        self.waits = Wait(time.monotonic())
        try:
            return super().wait(gen, interval, timeout)
        except psycopg.Error as error:
            if not hasattr(error, "place"):
                error.place = self.place  # pyright: ignore[reportAttributeAccessIssue]
            raise
        finally:
            self.waits = None

    @contextmanager
    def raw(self) -> Generator[None]:
        """Around what asks libpq itself, past psycopg."""
        self.waits = Wait(time.monotonic())
        try:
            yield
        finally:
            self.waits = None


@dataclass(eq=False)
class Wait:
    """One wait for an answer."""

    since: float
    looked_at: float = 0.0
    deaf_since: float | None = None
    idle: int = 0
    """How often in a row the server said that it does nothing for us."""
    moved: tuple[int, int] | None = None
    """Bytes sent and received on that line, at the last look."""
    says: str | None = None


def place_of(error: BaseException) -> str | None:
    """The server that a failure came from, where it is known."""
    return getattr(error, "place", None) or None


def waits_for() -> str | None:
    """What the longest wait of this process is for, in words; None when none is long."""
    said: list[tuple[float, str]] = []
    now = time.monotonic()
    for line in list(_lines):
        wait = line.waits
        if wait is not None and (wait.says is not None or now - wait.since > SAY_AFTER_SECONDS):
            said.append((wait.since, wait.says or f"the {line.place}: its answer, for {now - wait.since:.0f} s"))
    return min(said)[1] if said else None


def break_line(descriptor: int) -> None:
    """Whoever waits on this socket is told that it is gone."""
    with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as line:
        line.shutdown(socket.SHUT_RDWR)


_lines: "WeakSet[Minded]" = WeakSet()
_lock = threading.Lock()
_watchers: list[threading.Thread] = []


def _mind(line: Minded) -> None:
    with _lock:
        _lines.add(line)
        if not _watchers:
            _watchers.append(threading.Thread(target=_watch, name="mind", daemon=True))
            _watchers[0].start()


def _watch() -> None:
    looking: dict[Wait, threading.Thread] = {}
    while True:
        time.sleep(0.5)
        now = time.monotonic()
        looking = {wait: thread for wait, thread in looking.items() if thread.is_alive()}
        with _lock:
            lines = list(_lines)
        for line in lines:
            wait = line.waits
            if wait is None or wait in looking or now - wait.since < LOOK_AFTER_SECONDS:
                continue
            if now - wait.looked_at >= LOOK_EVERY_SECONDS:
                # Each by itself: a server that is gone must not keep the others unminded.
                looking[wait] = threading.Thread(target=_look, args=(line, wait), name="look", daemon=True)
                looking[wait].start()


def _look(line: Minded, wait: Wait) -> None:
    wait.looked_at = began = time.monotonic()
    seconds = began - wait.since
    try:
        pid = line.info.backend_pid
        state, kind, event, others = _ask(line, pid)
    except psycopg.Error as error:
        wait.deaf_since = wait.deaf_since or began
        wait.says = f"the {line.place}: no answer for {seconds:.0f} s, nor on a new line ({_first_line(error)})"
        if time.monotonic() - wait.deaf_since > DEAF_SECONDS:
            _break(line, wait)
        return
    wait.deaf_since = None
    before, wait.moved = wait.moved, _moved(line)
    if wait.moved is not None and before != wait.moved:  # slowly, but it comes
        wait.idle, wait.says = 0, f"the {line.place}: its answer comes slowly, for {seconds:.0f} s"
        return
    if state == "active" and kind != "Client":
        wait.idle = 0
        why = f"a lock of {others}" if kind == "Lock" else f"it works ({event or 'on the processor'})"
        wait.says = f"the {line.place}: {why}, for {seconds:.0f} s"
        return
    wait.idle += 1
    wait.says = f"the {line.place}: the answer was lost on the way, {seconds:.0f} s ago"
    if wait.idle >= 2:
        with suppress(psycopg.Error):
            # What it holds there must not outlive the line.
            _ask(line, pid, end=True)
        _break(line, wait)


def _ask(line: Minded, pid: int, *, end: bool = False) -> tuple[str, str | None, str | None, str]:
    assert line.look
    with line.look() as other:
        if end:
            other.execute("SELECT pg_terminate_backend(%s)", [pid])
            return "", None, None, ""
        row = other.execute(_STANDING, [pid]).fetchone()
    return (row[0] or "", row[1], row[2], row[3] or "nobody") if row else ("gone", None, None, "")


def _break(line: Minded, wait: Wait) -> None:
    with suppress(psycopg.Error, OSError):
        descriptor = os.dup(line.pgconn.socket)
        try:
            if line.waits is wait:  # else it came after all
                break_line(descriptor)
        finally:
            os.close(descriptor)


def _moved(line: Minded) -> tuple[int, int] | None:
    """Bytes that the other end has acknowledged, and that came from it; None where the system does not say."""
    try:
        with socket.socket(fileno=os.dup(line.pgconn.socket)) as copy:
            return _BYTES.unpack_from(copy.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, 256), _BYTES_AT)
    except (psycopg.Error, OSError, struct.error):
        return None


_TCP_INFO, _BYTES_AT, _BYTES = 11, 120, struct.Struct("=QQ")  # Linux: tcpi_bytes_acked, tcpi_bytes_received
_STANDING = """
SELECT a.state, a.wait_event_type, a.wait_event,
       (SELECT string_agg(format('process %%s of %%s %%s', b.pid, b.usename, b.application_name), ', ')
        FROM pg_stat_activity b WHERE b.pid = ANY (pg_blocking_pids(a.pid)))
FROM pg_stat_activity a WHERE a.pid = %s
"""


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "silence")
