"""A way to a database that has no public address, through the cloud's own doors, open while it is used."""

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from core.foundation.embedded.ports import free_port
from core.operations.clouds.base import Place
from core.operations.clouds.errors import CloudUnreachable

OPEN_SECONDS = 120


@dataclass(frozen=True, kw_only=True)
class Login:
    """Who signs in, and where; `root` is the file of authorities that the server's certificate is checked with."""

    host: str
    port: int
    database: str
    user: str
    password: str = field(repr=False)
    root: str | None = None


@contextmanager
def tunnel(place: Place, outputs: Mapping[str, Any], *, hold_minutes: int) -> Generator[int]:
    """The port on this machine that leads to the stack's database. Raises CloudError."""
    if place.cloud == "gcp":
        from core.operations.clouds.gcp_tunnel import through_instance as opened
    else:
        from core.operations.clouds.aws_tunnel import through_task as opened
    with opened(place, outputs, hold_minutes=hold_minutes) as port:
        yield port


def login(place: Place, outputs: Mapping[str, Any], role: str) -> Login:
    """From the cloud's secret store, at this moment; nothing of it is kept or shown. Raises CloudError."""
    if place.cloud == "gcp":
        from core.operations.clouds.gcp_tunnel import login as found
    else:
        from core.operations.clouds.aws_tunnel import login as found
    return found(place, outputs, role)


def needed(*commands: str, why: str) -> None:
    """Raises CloudUnreachable where one is not installed."""
    for command in commands:
        if shutil.which(command) is None:
            raise CloudUnreachable(f"the command {command} is not on PATH: install it, {why}")


@contextmanager
def forwarding(command: list[str], port: int, *, seconds: float = OPEN_SECONDS) -> Generator[int]:
    """Runs what forwards `port`, until it is used no more. Raises CloudUnreachable where it does not open."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        give_up_at = time.monotonic() + seconds
        while not _is_open(port):
            if process.poll() is not None:
                assert process.stderr is not None
                said = process.stderr.read().decode(errors="replace").strip().splitlines()
                raise CloudUnreachable(f"{command[0]} did not open the way: {said[-1] if said else 'it said nothing'}")
            if time.monotonic() > give_up_at:
                raise CloudUnreachable(f"{command[0]} opened no way in {seconds:.0f} s: is your role allowed to?")
            time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        if process.poll() is None:
            process.kill()
            process.wait()
        if process.stderr is not None:
            process.stderr.close()


def local_port() -> int:
    """One that nobody listens on."""
    return free_port()


def _is_open(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
