"""The parts of an installation, each started, stopped and asked for its health in the same way."""

import signal
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path

from core.cli.supervisor.home import SOURCES
from core.cli.supervisor.probes import without_password
from core.foundation.embedded.errors import AlreadyRunning
from core.foundation.embedded.postgres import EmbeddedPostgres
from core.foundation.embedded.process import ServerProcess
from core.foundation.embedded.valkey import EmbeddedValkey


class Part(ABC):
    """One of `api`, `console`, `stripe`, `database`, `cache`, `worker`, or `backups`, which is no part of the public
    status. `url` may be shown to anybody.
    """

    vital = True
    """Whether everything is stopped when it cannot be kept up."""

    def __init__(self, name: str, title: str) -> None:
        self.name = name
        self.title = title

    @property
    @abstractmethod
    def url(self) -> str:
        """Its address, without a password."""

    @abstractmethod
    def healthy(self) -> bool:
        """Whether it serves now."""

    @abstractmethod
    def start(self) -> None:
        """Start it; what is not ours to start is left alone."""

    @abstractmethod
    def stop(self) -> None:
        """Stop it; what is not ours is left alone."""

    def restart(self) -> None:
        """Start it again after its end."""
        self.stop()  # its remaining children
        self.start()

    @property
    def pid(self) -> int | None:
        """The process we started, if any."""
        return None

    @property
    def running(self) -> bool:
        """Whether the process lives; true for what is not ours."""
        return True

    @property
    def exit_code(self) -> int | None:
        """What the process ended with."""
        return None

    def last_words(self) -> list[str]:
        """The last lines of its log."""
        return []

    @property
    def log(self) -> Path | None:
        """Where its log lies."""
        return None


class External(Part):
    """A server that somebody else runs."""

    def __init__(self, name: str, title: str, *, url: str, probe: Callable[[], bool]) -> None:
        super().__init__(name, title)
        self._url = without_password(url)
        self._probe = probe

    @property
    def url(self) -> str:
        return self._url

    def healthy(self) -> bool:
        return self._probe()

    def start(self) -> None:
        return

    def stop(self) -> None:
        return


class Embedded(Part):
    """PostgreSQL or Valkey, started by us; ready when `start` returns."""

    def __init__(self, name: str, title: str, *, server: EmbeddedPostgres | EmbeddedValkey) -> None:
        super().__init__(name, title)
        self.server = server

    @property
    def url(self) -> str:
        return without_password(self.server.url())

    def healthy(self) -> bool:
        return self.running and self.server.answers()

    def start(self) -> None:
        self.server.start()

    def restart(self) -> None:
        try:
            super().restart()
        except AlreadyRunning:
            if not isinstance(self.server, EmbeddedPostgres):
                raise
            self.server.take_over()  # a failover has started it meanwhile, and it is ours to keep up

    def stop(self) -> None:
        self.server.stop()

    @property
    def pid(self) -> int | None:
        return self.server.pid

    @property
    def running(self) -> bool:
        return self.server.running

    @property
    def exit_code(self) -> int | None:
        return self.server.exit_code

    def last_words(self) -> list[str]:
        return self.server.last_words()

    @property
    def log(self) -> Path | None:
        return self.server.log


class Program(Part):
    """A command of ours as a child process; healthy some time after `start`, when its probe says so."""

    def __init__(
        self,
        name: str,
        title: str,
        *,
        url: str,
        probe: Callable[[], bool],
        argv: list[str],
        environment: Mapping[str, str],
        log: Path,
        patience_seconds: float = 180,  # one that dies is noticed at once; this is for slow machines
        vital: bool = True,
    ) -> None:
        super().__init__(name, title)
        self.vital = vital
        self.patience_seconds = patience_seconds
        self._url = url
        self._probe = probe
        self._process = ServerProcess(argv, log=log, env=environment)

    @property
    def url(self) -> str:
        return self._url

    def healthy(self) -> bool:
        return self.running and self._probe()

    def start(self) -> None:
        self._process.start(cwd=SOURCES)

    def stop(self) -> None:
        self._process.stop((signal.SIGTERM, 15))

    @property
    def pid(self) -> int | None:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.running

    @property
    def exit_code(self) -> int | None:
        return self._process.exit_code

    def last_words(self) -> list[str]:
        return self._process.last_words()

    @property
    def log(self) -> Path | None:
        return self._process.log
