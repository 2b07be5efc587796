"""The application started against a copy, read-only: the real API as a process of its own, with a cache of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import httpx

from core.foundation.embedded.ports import LOOPBACK, free_port
from core.foundation.embedded.process import ServerProcess
from core.foundation.embedded.valkey import EmbeddedValkey
from core.foundation.settings import Settings, load_settings
from core.operations.recovery.errors import CopyDoesNotServe

_SECONDS = 120.0
_READ_ONLY = "-c default_transaction_read_only=on"
_NOT_FOR_IT = ("DATABASE_URL", "DB_HOST", "DATABASE_BACKUP_URL", "DATABASE_MOVER_URL", "STRIPE_SECRET_KEY")


class Copy(Protocol):
    """Where a copy is: a server of this machine, or one in a cloud."""

    @property
    def host(self) -> str: ...

    @property
    def port(self) -> int: ...


@dataclass(frozen=True, kw_only=True)
class CopyInCloud:
    """Its server proves who it is: as the original's does, or by an authority of its own."""

    host: str
    port: int
    ca: Path | None


def settings_of_copy(settings: Settings, server: Copy) -> Settings:
    """The same logins, at the copy's address."""
    return load_settings(
        database_app_url=_moved(settings.app_url, server), database_operator_url=_moved(settings.operator_url, server)
    )


@contextmanager
def serving(settings: Settings, server: Copy, *, folder: Path) -> Generator[str]:
    """The address of an API that answers `/readyz` from the copy. Raises CopyDoesNotServe."""
    cache = EmbeddedValkey(folder / "valkey", secrets=folder / "secrets", log=folder / "valkey.log")
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if name not in _NOT_FOR_IT}
    try:
        cache.start()
        _note(folder, f"{LOOPBACK}:{cache.port}", cache.pid)
        api = ServerProcess(
            [sys.executable, "-m", "core.cli.main", "api"],
            log=folder / "api.log",
            env={
                **environment,
                "CLOUDBILL_HOME": str(settings.cloudbill_home.absolute()),
                "HOST": LOOPBACK,
                "PORT": str(port),
                "DATABASE_APP_URL": _moved(settings.app_url, server, read_only=True),
                "DATABASE_OPERATOR_URL": _moved(settings.operator_url, server, read_only=True),
                "REDIS_URL": cache.url(),
                "ENCRYPTION_KEY": settings.encryption_key.get_secret_value() if settings.encryption_key else "",
            },
        )
        try:
            api.start(cwd=Path("/"))
            _note(folder, "core.cli.main api", api.pid)
            _await(api, f"http://{LOOPBACK}:{port}/readyz")
            yield f"http://{LOOPBACK}:{port}"
        finally:
            api.stop()
    finally:
        with suppress(OSError):
            cache.delete()


def end_left_over(folder: Path) -> None:
    """Ends what a killed process had started to serve a copy; whatever else has got such a number since is left."""
    for noted in folder.glob("*.started"):
        with suppress(OSError, ValueError):
            pid, _, known_by = noted.read_text(encoding="utf-8").partition(" ")
            asked = ["ps", "-ww", "-o", "args=", "-p", str(int(pid))]
            shown = subprocess.run(asked, capture_output=True, text=True, timeout=10, check=False).stdout
            if known_by and known_by in shown and os.getpgid(int(pid)) == int(pid):
                os.killpg(int(pid), signal.SIGKILL)
        noted.unlink(missing_ok=True)


def _note(folder: Path, known_by: str, pid: int | None) -> None:
    (folder / f"{pid}.started").write_text(f"{pid} {known_by}", encoding="utf-8")


def _await(api: ServerProcess, url: str) -> None:
    give_up_at = time.monotonic() + _SECONDS
    while time.monotonic() < give_up_at:
        with suppress(httpx.HTTPError):
            if httpx.get(url, timeout=5, trust_env=False).status_code == 200:
                return
        if not api.running:
            break
        time.sleep(0.1)
    words = [line for line in api.last_words(60) if "Error" in line or "cloudbill:" in line] or api.last_words(1)
    raise CopyDoesNotServe(f"the API does not serve from the copy: {words[-1] if words else 'it said nothing'}")


def _moved(url: str, server: Copy, *, read_only: bool = False) -> str:
    parts = urlsplit(url)
    login = parts.netloc.rpartition("@")[0]
    options = {"options": _READ_ONLY} if read_only else {}
    given = dict(parse_qsl(parts.query))
    if not isinstance(server, CopyInCloud):
        given = {name: value for name, value in given.items() if not name.startswith("ssl")}
    elif server.ca:
        given |= {"sslmode": "verify-ca", "sslrootcert": str(server.ca)}
    query = urlencode({**given, **options}, quote_via=quote)
    return urlunsplit(parts._replace(netloc=f"{login}@{server.host}:{server.port}", query=query))
