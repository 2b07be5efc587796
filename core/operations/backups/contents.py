"""What is inside a base backup: the tar that pg_basebackup sends, held against the manifest it carries.

PostgreSQL's manifest names every file with size and SHA-256; the log that came along (pg_wal) is not in it, and
pg_waldump reads that.
"""

import contextlib
import hashlib
import os
import tarfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

import orjson

from core.operations.backups.errors import Damaged

MANIFEST = "backup_manifest"
_NOT_LISTED = ("backup_manifest", "postgresql.auto.conf", "standby.signal", "recovery.signal")
_WAL = "pg_wal/"


@dataclass
class Seen:
    """The files of a tar, and the manifest that lay in it."""

    files: dict[str, tuple[int, str]] = field(default_factory=dict[str, tuple[int, str]])
    manifest: bytes = b""
    version: str = ""

    def faults(self) -> list[str]:
        """What is not as the manifest says; empty when all is."""
        listed, faults = listed_files(self.manifest), list[str]()
        for name, (size, digest) in listed.items():
            if name not in self.files:
                faults.append(f"{name} is missing")
            elif self.files[name][0] != size:
                faults.append(f"{name} has {self.files[name][0]} bytes, not {size}")
            elif digest and self.files[name][1] != digest:
                faults.append(f"{name} is altered: its SHA-256 is not the manifest's")
        extra = [
            name for name in self.files if name not in listed and name not in _NOT_LISTED and not name.startswith(_WAL)
        ]
        return faults + [f"{name} is not in the manifest" for name in sorted(extra)]

    def position(self) -> tuple[int, str, str]:
        """Timeline, start and end of the log that makes the backup consistent."""
        found = parse_manifest(self.manifest)["WAL-Ranges"][-1]
        return int(found["Timeline"]), str(found["Start-LSN"]), str(found["End-LSN"])


def parse_manifest(content: bytes) -> dict[str, Any]:
    """PostgreSQL's backup_manifest. Raises Damaged where it is none, or its own checksum does not hold."""
    try:
        document = cast("dict[str, Any]", orjson.loads(content))
        files, ranges, said = document["Files"], document["WAL-Ranges"], document["Manifest-Checksum"]
        assert isinstance(files, list)
        assert ranges
    except (ValueError, KeyError, TypeError, AssertionError):
        raise Damaged(f"{MANIFEST} is no manifest of PostgreSQL") from None
    # The checksum covers every byte up to the line that holds it.
    covered = content[: content.rindex(b'"Manifest-Checksum"')]
    if hashlib.sha256(covered).hexdigest() != said:
        raise Damaged(f"{MANIFEST} is altered: its own checksum does not hold")
    return document


def listed_files(manifest: bytes) -> dict[str, tuple[int, str]]:
    """Size and SHA-256 of every file of the manifest."""
    return {_name(found): (int(found["Size"]), _sha256(found)) for found in parse_manifest(manifest)["Files"]}


class Reader:
    """Reads a tar that is pushed into it piece by piece, in a thread of its own, and gives each member to `keep`."""

    def __init__(self, keep: Callable[[tarfile.TarInfo, IO[bytes] | None], None] | None = None) -> None:
        self.seen = Seen()
        self._keep = keep
        self._failure: BaseException | None = None
        incoming, outgoing = os.pipe()
        self._incoming, self._outgoing = os.fdopen(incoming, "rb"), os.fdopen(outgoing, "wb")
        self._thread = threading.Thread(target=self._read, name="tar", daemon=True)
        self._thread.start()

    def write(self, chunk: bytes) -> None:
        """The next piece. Raises what reading it led to."""
        try:
            self._outgoing.write(chunk)
        except BrokenPipeError:
            self._thread.join()
            raise self._failure or Damaged("the tar ends early") from None

    def finish(self) -> Seen:
        """The tar is over. Raises Damaged."""
        with contextlib.suppress(BrokenPipeError):
            self._outgoing.close()
        self._thread.join()
        if self._failure:
            if isinstance(self._failure, tarfile.TarError):
                raise Damaged(f"what is inside is no whole tar ({self._failure})") from None
            raise self._failure
        return self.seen

    def abandon(self) -> None:
        """Stop reading; nothing is raised."""
        with contextlib.suppress(OSError):
            self._outgoing.close()
        self._thread.join()

    def _read(self) -> None:
        try:
            with tarfile.open(fileobj=self._incoming, mode="r|") as tar:
                for member in tar:
                    self._take(tar, member)
            while self._incoming.read(1 << 16):  # padding after the end
                pass
        except BaseException as error:
            self._failure = error
        finally:
            self._incoming.close()

    def _take(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        name = member.name.removeprefix("./")
        if not member.isfile():
            if self._keep:
                self._keep(member, None)
            return
        content = tar.extractfile(member)
        assert content
        listening = _Listening(content, whole=name in (MANIFEST, "PG_VERSION"))
        if self._keep:
            self._keep(member, cast("IO[bytes]", listening))
        while listening.read(1 << 18):
            pass
        self.seen.files[name] = (listening.size, listening.digest.hexdigest())
        if name == MANIFEST:
            self.seen.manifest = listening.kept
        elif name == "PG_VERSION":
            self.seen.version = listening.kept.decode("ascii", "replace").strip()


class Unpacking:
    """Puts the members of a base backup into a folder, each where its name says and nowhere else."""

    def __init__(self, folder: Path, *, owner: tuple[int, int] | None) -> None:
        self._folder, self._owner = folder.resolve(), owner

    def __call__(self, member: tarfile.TarInfo, content: IO[bytes] | None) -> None:
        path = (self._folder / member.name).resolve()
        if path != self._folder and self._folder not in path.parents:
            raise Damaged(f"{member.name} leads out of the backup")
        if member.isdir():
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        elif content is not None:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                while chunk := content.read(1 << 18):
                    file.write(chunk)
        else:
            raise Damaged(f"{member.name} is neither a file nor a folder: tablespaces are not restored")
        if self._owner:
            os.chown(path, *self._owner)


class _Listening:
    """A file that is hashed while somebody reads it."""

    def __init__(self, content: IO[bytes], *, whole: bool) -> None:
        self.size, self.digest, self.kept = 0, hashlib.sha256(), b""
        self._content, self._whole = content, whole

    def read(self, size: int = -1) -> bytes:
        chunk = self._content.read(size)
        self.size += len(chunk)
        self.digest.update(chunk)
        if self._whole:
            self.kept += chunk
        return chunk


def _name(listed: dict[str, Any]) -> str:
    return str(listed["Path"]) if "Path" in listed else bytes.fromhex(listed["Encoded-Path"]).decode("utf-8", "replace")


def _sha256(listed: dict[str, Any]) -> str:
    return str(listed.get("Checksum", "")) if listed.get("Checksum-Algorithm") == "SHA256" else ""
