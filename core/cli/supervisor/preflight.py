"""What must be true before anything is started: free ports, free disk, no leftovers of a killed start."""

import errno
import os
import shutil
import signal
from contextlib import suppress
from itertools import combinations
from pathlib import Path

import psutil

from core.cli.supervisor.errors import StartRefused
from core.cli.supervisor.home import Home
from core.cli.supervisor.probes import without_password
from core.cli.supervisor.records import find_record, forget
from core.foundation.embedded.ports import find_holder, is_free
from core.foundation.embedded.postgres_data import end_server

NEEDED_BYTES = 400 * 1024 * 1024
"""Data of both servers, logs and the built console, with room to work."""

_TOGETHER = ("demo", "operator", "migrate", "console-build", "backups", "console", "worker", "api", "stripe")
_SERVERS = ("cache", "database")


def end_orphans(home: Home) -> list[str]:
    """End what a killed supervisor left behind, in the order of a stop; what was ended, in words."""
    records = [record for name in (*_TOGETHER, *_SERVERS) if (record := find_record(home.run, name))]
    ended = [f"{record.name} (process {record.pid})" for record in records if record.list_members()]
    for record in records:  # asked all at once, so that their times to end do not add up
        leader = record.find_leader() if record.name in _TOGETHER else None
        if leader:
            with suppress(psutil.Error):
                leader.terminate()
    for record in records:
        number = signal.SIGINT if record.name == "database" else signal.SIGTERM  # PostgreSQL's fast shutdown
        record.end(number, seconds=30 if record.name == "database" else 10)
        forget(home.run, record.name)
    # A database started a moment before its record could be written.
    if pid := end_server(home.postgres.resolve()):
        ended.append(f"database (process {pid})")
    return ended


def check_ports(ports: dict[str, tuple[str, int]]) -> None:
    """`ports` maps a variable's name to the address it sets. Raises StartRefused for the first that is taken."""
    for (first, (_, port)), (second, (_, other)) in combinations(ports.items(), 2):
        if port == other:
            raise StartRefused(f"{first} and {second} are both {port}: give one of them another port.")
    for variable, (host, port) in ports.items():
        try:
            free = is_free(port, host)
        except OSError as error:
            raise StartRefused(_cannot_listen(variable, host, port, error)) from None
        if not free:
            way_out = f"end that, or choose another: {variable}={_next(port)}"
            raise StartRefused(f"Port {port} is taken{_by_whom(port)}: {way_out}.")


def check_disk(folder: Path) -> None:
    """Raises StartRefused when the disk of `folder` has too little room."""
    free = shutil.disk_usage(folder).free
    if free < NEEDED_BYTES:
        raise StartRefused(
            f"The disk of {folder} has {free // 2**20} MB free and at least {NEEDED_BYTES // 2**20} MB are needed: "
            "free some space, or set CLOUDBILL_HOME to a folder on another disk."
        )


def check_cache(url: str, variable: str) -> None:
    """Raises StartRefused when a Redis that answers does not let us in: API and worker would only wait for it."""
    from redis import Redis
    from redis.exceptions import RedisError

    client = Redis.from_url(  # pyright: ignore[reportUnknownMemberType]  # redis leaves **kwargs untyped
        url, socket_timeout=5, socket_connect_timeout=5
    )
    try:
        client.ping()  # pyright: ignore[reportUnknownMemberType]  # likewise
    except RedisError as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise StartRefused(
            f"Redis at {without_password(url)} does not let us in ({reason}): correct {variable}."
        ) from None
    finally:
        client.close()


def _cannot_listen(variable: str, host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EACCES:
        return f"Port {port} needs rights we do not have: set {variable} to one above 1023."
    if error.errno == errno.EADDRNOTAVAIL:
        return f"This machine has no address {host}: set HOST to one it has, such as 127.0.0.1."
    return f"Cannot listen on {host}:{port} ({error.strerror or error}): check HOST and {variable}."


def _by_whom(port: int) -> str:
    holder = find_holder(port)
    if holder is None:
        return " by another program"
    return f" by {holder.name()} (process {holder.pid})" if holder.pid != os.getpid() else " by this very process"


def _next(port: int) -> int:
    return port + 1 if port < 65535 else port - 1
