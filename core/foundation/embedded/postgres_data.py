"""The data folder of an embedded PostgreSQL: where it lies, who owns it, how it is made, what it was made by."""

import errno
import hashlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict

import psutil

from core.foundation.embedded.account import Account, can_enter, can_run
from core.foundation.embedded.errors import AlreadyRunning, BinaryMissing, DataUnreadable, DiskFull, WrongVersion
from core.foundation.embedded.process import end

NAME = "PostgreSQL"
SUPERUSER = "postgres"

ELSEWHERE = Path("/var/lib/cloudbill")
"""Where data and binaries go when root has put the checkout below a folder that no other account may enter."""

_SOCKET_PATH_BYTES = 100  # the system's limit is 104 to 108
_SETTINGS = "cloudbill.conf"
_TOO_LITTLE_BYTES = 16 * 1024 * 1024  # initdb on a full disk may fail in words that do not say so


def place_binaries(binaries: Path, account: Account | None, *, elsewhere: Path = ELSEWHERE) -> Path:
    """`binaries`, or a copy of its installation that the account can run."""
    if not (binaries / "postgres").exists():
        raise BinaryMissing(NAME, f"no postgres in {binaries}")
    if can_run(binaries / "postgres", account):
        return binaries
    version = program_version(binaries)
    copy = elsewhere / f"postgresql-{version}"
    installation = binaries.parent
    package = installation.parent
    if not copy.exists():
        unfinished = copy.with_name(f".{copy.name}.{os.getpid()}")
        ignore = shutil.ignore_patterns("include", "*.a")
        shutil.copytree(installation, unfinished / package.name / installation.name, ignore=ignore, symlinks=True)
        libraries = package.with_name(package.name + ".libs")  # where a wheel keeps what its programs are linked to
        if libraries.is_dir():
            shutil.copytree(libraries, unfinished / libraries.name, symlinks=True)
        unfinished.replace(copy)
    copied = copy / package.name / installation.name / binaries.name
    if not can_run(copied / "postgres", account):
        raise BinaryMissing(NAME, f"no other account may run {copied}")
    return copied


def place_data(folder: Path, account: Account | None, *, elsewhere: Path = ELSEWHERE) -> Path:
    """The folder that holds the data: `folder`, or where its symbolic link leads.

    When we are root and `folder` lies below one that other accounts may not enter, the data is put below `elsewhere`
    and `folder` becomes a link to it. No existing folder's permissions are touched.
    """
    if folder.is_symlink():
        return folder.resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    if can_enter(folder.parent, account):
        return folder
    mark = hashlib.sha256(str(folder.absolute()).encode()).hexdigest()[:12]
    elsewhere.mkdir(parents=True, exist_ok=True)
    actual = elsewhere / f"{folder.name}-{mark}"
    if not can_enter(elsewhere, account):
        raise DataUnreadable(NAME, folder, f"neither its parents nor {elsewhere} may be entered by another account")
    folder.symlink_to(actual)
    return actual


def program_version(binaries: Path) -> str:
    """The version of the programs, such as `18.4`."""
    try:
        answer = subprocess.run(
            [str(binaries / "postgres"), "--version"],
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
            start_new_session=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise BinaryMissing(NAME, f"{binaries / 'postgres'} does not run: {error}") from None
    found = re.search(r"(\d+(?:\.\d+)?)", answer.stdout)
    if not found:
        raise BinaryMissing(NAME, f"{binaries / 'postgres'} does not tell its version")
    return found.group(1)


def check_data(data: Path, version: str) -> bool:
    """Whether there is a usable data folder; False when it is new. Raises when what is there cannot be used."""
    try:
        if not data.exists() or not any(data.iterdir()):
            return False
        found = (data / "PG_VERSION").read_text(encoding="ascii", errors="replace").strip()
        for part in ("global/pg_control", "base", "pg_wal"):
            if not (data / part).exists():
                raise DataUnreadable(NAME, data, f"{part} is missing")
    except FileNotFoundError:
        raise DataUnreadable(NAME, data, "it holds files, but no PG_VERSION") from None
    except NotADirectoryError:
        raise DataUnreadable(NAME, data, "it is not a folder") from None
    except PermissionError as error:
        raise DataUnreadable(NAME, data, f"{error.filename} may not be read") from None
    major = version.split(".")[0]
    if found != major:
        raise WrongVersion(NAME, data, found=found, needed=major)
    return True


def create_data(data: Path, *, binaries: Path, version: str, account: Account | None, password: str) -> None:
    """Run initdb. The folder appears whole or not at all, so a start that was killed here leaves nothing half made."""
    unfinished = data.with_name(data.name + ".unfinished")
    if unfinished.exists():
        shutil.rmtree(unfinished)
    unfinished.mkdir(mode=0o700)
    give_to(unfinished, account)
    # Unicode-aware case rules in code point order, from PostgreSQL itself where it has them (17): the C library of
    # another machine may sort otherwise, and these binaries carry no ICU.
    locale = (
        ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        if int(version.split(".")[0]) >= 17
        else ["--locale=C.UTF-8"]
    )
    with tempfile.TemporaryFile() as password_file:
        password_file.write(password.encode() + b"\n")
        password_file.flush()
        if account:
            os.fchown(password_file.fileno(), account.uid, account.gid)
        made = subprocess.run(
            [
                str(binaries / "initdb"),
                f"--pgdata={unfinished}",
                f"--username={SUPERUSER}",
                f"--pwfile=/dev/fd/{password_file.fileno()}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--data-checksums",
                "--no-instructions",
                "--no-clean",  # we do that, after seeing what was wrong
                *locale,
            ],
            pass_fds=[password_file.fileno()],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            cwd="/",
            env=clean_environment(),
            check=False,
            start_new_session=True,  # Ctrl-C is for us: we stop after this step, and nothing looks damaged
            **as_account(account),
        )
    if made.returncode != 0:
        left = shutil.disk_usage(unfinished).free
        shutil.rmtree(unfinished, ignore_errors=True)
        words = [line.strip() for line in (made.stdout + made.stderr).splitlines() if line.strip()]
        if left < _TOO_LITTLE_BYTES or any(os.strerror(errno.ENOSPC) in line for line in words):
            raise DiskFull(NAME, data)
        faults = [line for line in words if "error:" in line or "FATAL" in line or "PANIC" in line]
        raise DataUnreadable(NAME, data, (faults or words or ["initdb failed"])[-1])
    with (unfinished / "postgresql.conf").open("a", encoding="utf-8") as main:
        main.write(f"\ninclude_if_exists '{_SETTINGS}'\n")
    if data.exists():
        data.rmdir()
    unfinished.replace(data)


def write_settings(data: Path, account: Account | None, settings: Mapping[str, str]) -> None:
    """Write our settings, which win over those of initdb, and who may connect: passwords for everybody."""
    lines = [f"{name} = '{value.replace(chr(39), chr(39) * 2)}'" for name, value in settings.items()]
    _write(data / _SETTINGS, ["# Written at each start.", *lines], account)
    access = ["local all all scram-sha-256", "host all all 127.0.0.1/32 scram-sha-256"]
    access += ["local replication all scram-sha-256", "host replication all 127.0.0.1/32 scram-sha-256"]
    _write(data / "pg_hba.conf", ["# Written at each start.", *access], account)


def set_superuser_password(data: Path, *, binaries: Path, account: Account | None, password: str) -> None:
    """Give the superuser a new password without knowing the old one; the server must be stopped."""
    # Alphabet of SecretFiles: nothing in it needs quoting.
    statement = f"ALTER ROLE {SUPERUSER} PASSWORD '{password}';\n"
    done = subprocess.run(
        [str(binaries / "postgres"), "--single", "-D", str(data), "template1"],
        input=statement,
        capture_output=True,
        text=True,
        errors="replace",
        cwd="/",
        env=clean_environment(),
        check=False,
        start_new_session=True,
        **as_account(account),
    )
    if done.returncode != 0:
        raise DataUnreadable(NAME, data, "its password was lost and cannot be set anew")


def socket_folder(data: Path, account: Account | None) -> Path:
    """A folder for the Unix socket whose path is short enough: beside the data, or in the temporary folder.

    Not in the data: pg_rewind copies what lies there, and stumbles over a socket.
    """
    folder = _near_socket_folder(data)
    if len(os.fsencode(folder / ".s.PGSQL.65535")) > _SOCKET_PATH_BYTES:
        folder = _temporary_socket_folder(data)
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid not in {os.geteuid(), account.uid if account else -1}:
        raise DataUnreadable(NAME, data, f"its socket folder {folder} belongs to somebody else")
    give_to(folder, account)
    return folder


def delete_data(data: Path) -> None:
    """Remove the data and what its socket left."""
    if data.exists():
        shutil.rmtree(data)
    for folder in (_near_socket_folder(data), _temporary_socket_folder(data)):
        shutil.rmtree(folder, ignore_errors=True)


def _near_socket_folder(data: Path) -> Path:
    return data.with_name(f"{data.name}.socket")


def _temporary_socket_folder(data: Path) -> Path:
    mark = hashlib.sha256(str(data).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"cloudbill-{mark}"


def find_server(data: Path) -> psutil.Process | None:
    """The postmaster that serves this folder, also one that a killed process of ours left behind."""
    try:
        pid = int((data / "postmaster.pid").read_text(encoding="ascii").split("\n", 1)[0])
        process = psutil.Process(pid)
        return process if _serves(process, data) else None
    except (OSError, ValueError, psutil.Error):
        return None


def refuse_second_server(data: Path) -> None:
    """Raise AlreadyRunning when a server uses the folder; clear away the mark of one that is gone.

    PostgreSQL itself refuses when the id in postmaster.pid now belongs to any other process of the account, which is
    common after a machine or container started anew.
    """
    mark = data / "postmaster.pid"
    if not mark.exists():
        return
    if server := find_server(data):
        raise AlreadyRunning(NAME, data, pid=server.pid)
    for _ in range(50):  # the children of a killed postmaster notice within a moment
        if not any(_serves(process, data) for process in psutil.process_iter()):
            break
        time.sleep(0.1)
    else:
        raise AlreadyRunning(NAME, data)
    mark.unlink(missing_ok=True)


def end_server(data: Path, *, seconds: float = 30) -> int | None:
    """End a server that another process left on this folder, as cleanly as it can be; its process id, or None."""
    server = find_server(data)
    if server is None:
        return None
    end(server, *((number, seconds) for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL)))
    return server.pid


def _serves(process: psutil.Process, data: Path) -> bool:
    try:
        # Every process of a cluster works in its data folder; names differ (`postgres: checkpointer`).
        return "postgres" in process.name() and Path(process.cwd()) == data.resolve()
    except (psutil.Error, OSError):
        return False


def is_standby(data: Path) -> bool:
    """Whether a server on this folder only follows another, and can accept no write."""
    return (data / "standby.signal").exists()


def await_rebuilt(data: Path, *, seconds: float = 600) -> None:
    """Waits while another process of ours makes the folder anew; one that died doing so is not waited for."""
    give_up_at = time.monotonic() + seconds
    while time.monotonic() < give_up_at and is_rebuilt(data):
        time.sleep(0.2)


def rebuilding_mark(data: Path) -> Path:
    """The file that holds the id of the process that makes the folder anew."""
    return data.with_name(f"{data.name}.rebuilding")


def is_rebuilt(data: Path) -> bool:
    """Whether another process of ours makes the folder anew just now."""
    try:
        pid = int(rebuilding_mark(data).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return False
    return pid != os.getpid() and psutil.pid_exists(pid)


def nobody_serves(data: Path) -> bool:
    """Whether no process of a server works in the folder any more."""
    return not any(_serves(process, data) for process in psutil.process_iter())


def give_to(path: Path, account: Account | None) -> None:
    """Make `path`, which we made ourselves, the account's."""
    if account:
        os.chown(path, account.uid, account.gid)


def clean_environment() -> dict[str, str]:
    """An environment without the caller's PG* variables, language and time zone."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


class _Identity(TypedDict, total=False):
    user: int
    group: int
    extra_groups: list[int]


def as_account(account: Account | None) -> _Identity:
    """The arguments of subprocess that make it run under the account."""
    return {"user": account.uid, "group": account.gid, "extra_groups": []} if account else {}


def _write(path: Path, lines: list[str], account: Account | None) -> None:
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    give_to(unfinished, account)
    unfinished.replace(path)
