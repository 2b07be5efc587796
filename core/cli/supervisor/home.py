"""The folder an installation on one machine lives in: `.cloudbill` beside the sources, or CLOUDBILL_HOME."""

import errno
import fcntl
import os
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import core
from core.cli.supervisor.errors import StartRefused
from core.foundation.embedded.secret_files import SecretFiles

SOURCES = Path(core.__file__).resolve().parents[1]
"""The checkout (or wherever the packages are installed): children run in it."""

RUNS_ALREADY = "CloudBill already runs here: see `cloudbill status`, or stop it with `cloudbill down` first."


class Home:
    """Paths and secrets of one installation. `folder` is absolute."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.run = folder / "run"
        self.log = folder / "log"
        self.postgres = folder / "postgres"
        self.valkey = folder / "valkey"
        self.secrets = SecretFiles(folder / "secrets")
        self.external_secrets = SecretFiles(folder / "secrets-external")
        """Generated for servers that are not embedded: `reset` never deletes these."""

    @classmethod
    def find(cls) -> "Home":
        """The installation of this environment, the same from whatever folder it is asked."""
        return cls((SOURCES / (os.environ.get("CLOUDBILL_HOME") or ".cloudbill")).absolute())

    def create(self) -> None:
        """Make the folders. Raises StartRefused where that is not possible."""
        try:
            if not self.folder.exists():
                self.folder.mkdir(parents=True)
                # Ours, and new: PostgreSQL under another account must reach its data in it, whatever the umask.
                self.folder.chmod(0o711)
            self.run.mkdir(mode=0o700, exist_ok=True)
            self.log.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise
            raise StartRefused(
                f"{self.folder} cannot be written ({error.strerror}): set CLOUDBILL_HOME to a folder of your own."
            ) from None

    def was_done(self, name: str) -> bool:
        """Whether something that is needed once for this very database was done before."""
        with suppress(OSError):
            return (self.run / f"{name}.done").read_text(encoding="ascii") == self._database_identity()
        return False

    def mark_done(self, name: str) -> None:
        """Remember it, for as long as the database is this one."""
        (self.run / f"{name}.done").write_text(self._database_identity(), encoding="ascii")

    def _database_identity(self) -> str:
        born = (self.postgres / "PG_VERSION").stat()  # written when the data is made, and never again
        return f"{born.st_ino} {born.st_mtime_ns}\n"

    @contextmanager
    def exclusively(self) -> Generator[None]:
        """Hold the installation: the lock goes with the process, however it ends. Raises StartRefused when held."""
        lock = os.open(self.run / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if not any(_try_lock(lock, pause=attempt * 0.1) for attempt in range(4)):
                raise StartRefused(RUNS_ALREADY)
            yield
        finally:
            os.close(lock)

    def is_held(self) -> bool:
        """Whether a supervisor holds the installation."""
        try:
            lock = os.open(self.run / "lock", os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            return not _try_lock(lock)
        finally:
            os.close(lock)


def _try_lock(lock: int, *, pause: float = 0.0) -> bool:
    time.sleep(pause)  # somebody who asks `is_held` has it for a moment
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
