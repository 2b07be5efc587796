"""The application's own backup: what it takes besides the database to have this installation again.

Configuration, the stacks' files and their state as Pulumi knows it, secrets, and the ledger's signed heads with their
key; one tar, sealed to the public keys like all backups. The private key of the backups is never in it.
"""

import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
from pydantic import SecretStr

import core
from core.foundation.clock import wall_now
from core.foundation.settings import Settings
from core.operations.backups.catalogue import Backup
from core.operations.backups.contents import Reader, Unpacking
from core.operations.backups.errors import Damaged, NameTaken, UnknownBackup
from core.operations.backups.keys import name_of
from core.operations.backups.room import check_room
from core.operations.backups.sealed import CHUNK, seal, unseal
from core.operations.backups.taking import catalogue_of

SOURCES = Path(core.__file__).resolve().parents[1]
_OF_HOME = ("secrets", "secrets-external", "ledger-heads", "ledger-heads.key", "ledger-heads-external")
_SECRET_KEYS = ("backup-keys/signing.key",)
_EXPORT_SECONDS = 120


def take_application(settings: Settings, *, reason: str, sources: Path = SOURCES, with_states: bool = True) -> Backup:
    """In the catalogue when this returns. Raises BackupError. Without the states Pulumi is not asked."""
    catalogue = catalogue_of(settings)
    recipients = catalogue.keys.recipients()
    catalogue.keys.signer()
    if catalogue.exists:
        catalogue.believed()
    check_room(catalogue.folder, needed_bytes=0, keep_free_bytes=settings.backup_keep_free_bytes)
    started_at = wall_now()
    name = f"{started_at:%Y%m%dT%H%M%S}{started_at.microsecond // 1000:03d}A"
    file = f"application/{name}.tar.gz.age"
    unlisted = catalogue.folder / f"{file}.new"
    members = _members(settings, sources, with_states=with_states)
    try:
        sealed = seal(_tar(members), unlisted, to=recipients)
        backup = Backup(
            id=name,
            kind="application",
            file=file,
            size=sealed.size,
            sha256=sealed.sha256,
            plain_size=sealed.plain_size,
            plain_sha256=sealed.plain_sha256,
            keys=[name_of(key) for key in recipients],
            started_at=started_at,
            finished_at=max(wall_now(), started_at),
            reason=reason,
            files=len(members),
        )
        with catalogue.writing() as pen:
            unlisted.replace(catalogue.folder / file)
            pen.append(backup)
    finally:
        unlisted.unlink(missing_ok=True)
    return backup


def open_application(settings: Settings, name: str, *, into: Path) -> list[str]:
    """Unpacks one into a new folder, for its owner alone; the names of its files. Raises BackupError."""
    catalogue = catalogue_of(settings)
    backup = next((found for found in catalogue.believed().backups("application") if found.id == name), None)
    if backup is None:
        raise UnknownBackup(f"there is no application backup {name}: `cloudbill backup list` names them")
    if into.exists():
        raise NameTaken(f"{into} is there already: name a folder that does not exist yet")
    openings = catalogue.keys.openings()
    into.mkdir(mode=0o700, parents=True)
    reader = Reader(Unpacking(into, owner=None))
    try:
        found = unseal(catalogue.folder / backup.file, reader.write, by=openings)
        seen = reader.finish()
        if found != (backup.plain_size, backup.plain_sha256):
            raise Damaged(f"{name}: what is inside is not what was put there")
    except BaseException:
        reader.abandon()
        shutil.rmtree(into, ignore_errors=True)
        raise
    return sorted(seen.files)


def _members(settings: Settings, sources: Path, *, with_states: bool) -> dict[str, bytes]:
    home = settings.cloudbill_home.absolute()
    members: dict[str, bytes] = {"configuration.json": _configuration(settings)}
    for name in (*_OF_HOME, *_SECRET_KEYS):
        place = home / name
        for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
            if path.is_file() and not path.name.startswith("."):
                members[f"home/{path.relative_to(home)}"] = path.read_bytes()
    for path in sorted(sources.glob("Pulumi*.yaml")):
        members[f"stacks/{path.name}"] = path.read_bytes()
        stack = path.stem.partition(".")[2]
        if stack and with_states:
            members |= _state(stack, sources)
    return members


def _configuration(settings: Settings) -> bytes:
    """What was set in the environment, secrets apart."""
    found: dict[str, Any] = {}
    secrets: dict[str, str] = {}
    for field in sorted(settings.model_fields_set):
        value = getattr(settings, field)
        if isinstance(value, SecretStr):
            secrets[field.upper()] = value.get_secret_value()
        elif value is not None:
            found[field.upper()] = str(value)
    return orjson.dumps({"settings": found, "secrets": secrets}, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)


def _state(stack: str, sources: Path) -> dict[str, bytes]:
    """What Pulumi knows of a stack, or why it could not be asked; its secrets stay encrypted by the stack's own key."""
    program = shutil.which("pulumi")
    if program is None:
        return {
            f"stacks/{stack}.state-missing.txt": b"pulumi is not installed here: its state is in the stack's bucket\n"
        }
    try:
        done = subprocess.run(
            [program, "stack", "export", "--stack", stack, "--non-interactive"],
            cwd=sources,
            env={**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_EXPORT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {f"stacks/{stack}.state-missing.txt": b"pulumi did not answer in time\n"}
    if done.returncode != 0:
        return {f"stacks/{stack}.state-missing.txt": done.stderr[-2000:]}
    return {f"stacks/{stack}.state.json": done.stdout}


def _tar(members: dict[str, bytes]) -> Iterator[bytes]:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode, member.mtime = len(content), 0o600, int(wall_now().timestamp())
            tar.addfile(member, io.BytesIO(content))
    whole.seek(0)
    while chunk := whole.read(CHUNK):
        yield chunk
