"""The servers beside the embedded database: who follows it, and since a failover perhaps who serves."""

from pathlib import Path
from typing import TYPE_CHECKING

from core.cli.supervisor.home import Home
from core.cli.supervisor.parts import Part
from core.foundation.embedded import postgres_data as files
from core.foundation.settings import Settings

if TYPE_CHECKING:
    from core.operations.failover.here import ServersHere  # a start without standbys does not wait for its imports


class Beside(Part):
    """All of them, but for the one in `kept`, which is a part of its own. They come and go while we run."""

    vital = False  # a standby that does not start must not stop who serves

    def __init__(self, home: Home, settings: Settings, *, kept: Path) -> None:
        super().__init__("standbys", "A server beside the database")
        self._home, self._settings = home, settings
        self._kept = kept

    @property
    def url(self) -> str:
        return str(self._home.folder / "standbys")

    def healthy(self) -> bool:
        return self.running

    def start(self) -> None:
        for name in self._due():
            self._servers().start(name)

    def restart(self) -> None:
        self.start()

    def stop(self) -> None:
        for data in self._folders():
            files.end_server(data)

    @property
    def running(self) -> bool:
        return not self._due()

    @property
    def pid(self) -> int | None:
        found = (files.find_server(data) for data in self._folders())
        return next((server.pid for server in found if server), None)

    @property
    def log(self) -> Path | None:
        due = self._due()
        name = "database" if due[:1] == ["home"] else f"standby-{due[0]}" if due else None
        return self._home.log / f"{name}.log" if name else None

    def last_words(self) -> list[str]:
        log = self.log
        if log is None or not log.exists():
            return []
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 8192))
            return file.read().decode("utf-8", "replace").splitlines()[-10:]

    def _due(self) -> list[str]:
        return self._servers().due(kept=self._kept.resolve()) if self._are_there() else []

    def _folders(self) -> list[Path]:
        if not self._are_there():
            return []
        places = [*sorted((self._home.folder / "standbys").glob("*/postgres")), self._home.postgres]
        return [place.resolve() for place in places if place.resolve() != self._kept.resolve()]

    def _are_there(self) -> bool:
        return (self._home.folder / "standbys").exists()

    def _servers(self) -> "ServersHere":
        from core.operations.failover.here import ServersHere

        return ServersHere(self._settings)
