"""One server with its backups for each module: a folder that PostgreSQL's account can enter, and a watch over it."""

import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

from core.foundation.embedded.postgres import BACKUP, EmbeddedPostgres
from core.foundation.settings import Settings, load_settings
from core.operations.backups.catalogue import Catalogue
from core.operations.backups.positions import windows
from core.operations.backups.restoring import Restored, Restores
from core.operations.backups.taking import catalogue_of
from core.operations.backups.watching import Watch
from tests.support.servers import Kind, debian_programs

_copies = count(1)
BEAT = timedelta(milliseconds=200)


class Original:
    """An installation's folder and its database."""

    def __init__(self, folder: Path, server: EmbeddedPostgres) -> None:
        self.folder, self.server = folder, server

    def settings(self, **changes: Any) -> Settings:
        given: dict[str, Any] = {
            "cloudbill_home": self.folder,
            "database_backup_url": self.server.url(BACKUP),
            "backup_keep_free_mb": 0,
        }
        return load_settings(**{**given, **changes})

    @property
    def catalogue(self) -> Catalogue:
        return catalogue_of(self.settings())

    def execute(self, statement: str, *values: Any) -> Any:
        with psycopg.connect(self.server.url(), autocommit=True) as connection:
            done = connection.execute(statement, values)
            return done.fetchone() if done.description else None

    def switch_segment(self) -> None:
        with psycopg.connect(self.server.admin_url(), autocommit=True) as connection:
            connection.execute("SELECT pg_switch_wal()")

    @contextmanager
    def watched(self, **changes: Any) -> Iterator[None]:
        stop = threading.Event()
        watch = threading.Thread(target=Watch(self.settings(**changes), beat=BEAT).run, args=(stop,))
        watch.start()
        try:
            yield
        finally:
            stop.set()
            watch.join(30)


def eventually(true: Callable[[], Any], *, seconds: float = 30) -> Any:
    """What it says once it says something."""
    give_up_at = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < give_up_at, "it did not come to be"
        time.sleep(0.05)
    return found


@pytest.fixture(scope="module")
def original(server_kind: Kind) -> Iterator[Original]:
    """A server of the kind that the run is on: the embedded one, or Debian's."""
    folder = Path(tempfile.mkdtemp(prefix="cloudbill-backups-"))
    folder.chmod(0o711)
    server = EmbeddedPostgres(
        folder / "postgres",
        debian_programs()[0] if server_kind == "debian" else None,
        options={"shared_buffers": "16MB", "fsync": "off"},
        secrets=folder / "secrets",
        log=folder / "postgres.log",
        elsewhere=folder / "elsewhere",
    )
    try:
        server.start()
        yield Original(folder, server)
    finally:
        server.delete()
        shutil.rmtree(folder, ignore_errors=True)


class History:
    """What happened to the original while it was watched: two rows before `between`, a third one after it."""

    def __init__(self, original: Original) -> None:
        self.original = original
        original.execute("CREATE TABLE happened (what text)")
        with original.watched():
            eventually(lambda: original.catalogue.read().backups("application"))  # it follows the database's
            original.execute("INSERT INTO happened VALUES ('first')")
            original.switch_segment()
            original.execute("INSERT INTO happened VALUES ('second')")
            self.between: datetime = original.execute("SELECT clock_timestamp()")[0]
            original.execute("INSERT INTO happened VALUES ('third')")
            original.switch_segment()
            original.execute("INSERT INTO happened VALUES ('fourth')")
            last: datetime = original.execute("SELECT clock_timestamp()")[0]
            eventually(lambda: max(window.end for window in windows(original.catalogue.read())) > last)
        self.backup = original.catalogue.read().backups("database")[0]

    @contextmanager
    def copy(self) -> Iterator[Settings]:
        """The folder of backups, to be damaged; the settings that name it."""
        place = self.original.folder / f"damaged-{next(_copies)}"
        shutil.copytree(self.original.settings().backups_folder, place)
        settings = self.original.settings(backups_path=place)
        count = catalogue_of(settings).signed_path
        shutil.copyfile(self.original.catalogue.signed_path, count)
        try:
            yield settings
        finally:
            shutil.rmtree(place)
            count.unlink(missing_ok=True)


@pytest.fixture(scope="module")
def history(original: Original) -> History:
    return History(original)


@contextmanager
def restoring(restores: Restores, to: str | datetime, name: str) -> Iterator[Restored]:
    """A restored server, gone afterwards."""
    restored = restores.restore(to, into=name)
    try:
        yield restored
    finally:
        restored.server.stop()
        restores.drop(name)
