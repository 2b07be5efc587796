"""The catalogue of backups: an append-only file of signed lines, each naming the one before, and a signed head.

`catalogue.jsonl` has a line for each base backup, each archived segment of the log and each gap in it; `head.json`
says how far the log has been archived, the unfinished segment included. How many lines were ever signed is also kept
beside the signing key, so that an old copy of the whole folder is seen to be old. docs/recovery.md has the layout.
"""

import fcntl
import hashlib
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, cast

import orjson

from core.operations.backups.errors import CatalogueUnusable
from core.operations.backups.keys import Keys, signed_by
from core.operations.backups.sealed import sync_folder

FORMAT = 1
FOLDERS = ("database", "log", "application")
_LINE, _HEAD = b"cloudbill backup catalogue line 1\n", b"cloudbill backup catalogue head 1\n"

Kind = Literal["database", "application"]


@dataclass(frozen=True, kw_only=True)
class Backup:
    """One backup; `file` is relative to the folder, LSNs are PostgreSQL's words."""

    id: str
    kind: Kind
    file: str
    size: int
    sha256: str
    plain_size: int
    plain_sha256: str
    keys: list[str]
    """Names of the public keys it is sealed to."""
    started_at: datetime
    finished_at: datetime
    reason: str
    system: str = ""
    """PostgreSQL's system identifier: the database it is of."""
    version: str = ""
    timeline: int = 0
    start_lsn: str = ""
    end_lsn: str = ""
    segment_bytes: int = 0
    files: int = 0
    manifest_sha256: str = ""
    """Of PostgreSQL's own backup_manifest, which is inside."""


@dataclass(frozen=True, kw_only=True)
class Segment:
    """One file of the log: a whole segment, the beginning of the one under way, or a timeline's history."""

    name: str
    system: str
    file: str
    size: int
    sha256: str
    plain_size: int
    plain_sha256: str
    keys: list[str]
    covered_until: datetime | None
    """Every instant up to this one has a commit after it in the log up to here."""
    archived_at: datetime


@dataclass(frozen=True, kw_only=True)
class Gap:
    """The slot was lost: between the last segment before `at` and the first one after, the log is missing."""

    system: str
    at: datetime
    reason: str


Entry = Backup | Segment | Gap
_KINDS: dict[str, type[Entry]] = {"backup": Backup, "segment": Segment, "gap": Gap}


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """How far the log of one system is archived."""

    system: str
    lsn: str
    until: datetime | None
    tail: Segment | None
    shipped_at: datetime


@dataclass
class Contents:
    """What the catalogue says. `faults` names what makes it unbelievable; empty when it holds.

    `doubts` names what cannot be told of it: `verify` finds them, and nothing is refused for them.
    """

    number: int = 0
    hash: str = ""
    entries: list[Entry] = field(default_factory=list[Entry])
    coverage: dict[str, Coverage] = field(default_factory=dict[str, Coverage])
    faults: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    doubts: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    strays: list[str] = field(default_factory=list[str])
    """Files of backups that the catalogue does not name; known where it was read alone (`pinned`, `writing`)."""

    def backups(self, kind: Kind | None = None) -> list[Backup]:
        """In the order they were made."""
        return [entry for entry in self.entries if isinstance(entry, Backup) and kind in (None, entry.kind)]

    def segments(self, system: str) -> list[Segment]:
        """Of one system, whole ones only, in the order they were archived."""
        return [entry for entry in self.entries if isinstance(entry, Segment) and entry.system == system]

    def gaps(self, system: str) -> list[Gap]:
        """Of one system."""
        return [entry for entry in self.entries if isinstance(entry, Gap) and entry.system == system]


class Catalogue:
    """The folder of backups."""

    def __init__(self, folder: Path, keys: Keys) -> None:
        self.folder = folder
        self.keys = keys
        self.lines_path = folder / "catalogue.jsonl"
        self.head_path = folder / "head.json"
        self._known = Contents()
        self._known_file = (0, 0)

    @property
    def exists(self) -> bool:
        """Whether anything was ever written here."""
        return self.lines_path.exists()

    def read(self) -> Contents:
        """Everything, with its faults; nothing is raised for them."""
        contents = Contents()
        trusted = self.keys.trusted()
        try:
            with self.lines_path.open("rb") as file:
                inode = os.fstat(file.fileno()).st_ino
                size = os.fstat(file.fileno()).st_size
                if inode == self._known_file[0] and size >= self._known_file[1]:
                    # Lines that this process has believed already: checking thousands of signatures takes a while.
                    file.seek(self._known_file[1])
                    known = self._known
                    contents = Contents(number=known.number, hash=known.hash, entries=list(known.entries))
                lines = file.read().splitlines(keepends=True)
        except FileNotFoundError:
            if (signed := self._signed_so_far()) and self.folder.exists():
                contents.faults.append(
                    ("catalogue_missing", f"{self.lines_path} is gone; it had {signed} lines when last signed here")
                )
            return contents
        for place, line in enumerate(lines, 1):
            fault = self._take(line, contents, trusted, last=place == len(lines))
            if fault:
                where = f"the line after number {contents.number} of {self.lines_path.name}"
                contents.faults.append((fault[0], f"{where} {fault[1]}"))
                break
        else:
            self._known_file = (inode, size)
            self._known = Contents(number=contents.number, hash=contents.hash, entries=list(contents.entries))
        self._read_head(contents, trusted)
        signed = self._signed_so_far()
        if signed is None and trusted is not None and contents.number:
            contents.doubts.append(
                (
                    "catalogue_count",
                    f"{self.signed_path} is missing or cannot be read: it said how many lines were signed here, and "
                    f"without it nobody can tell whether {self.lines_path.name}, which ends at number "
                    f"{contents.number}, is an old copy. If it is the newest one, the next backup writes it anew",
                )
            )
        if signed is not None and contents.number < signed and not contents.faults:
            detail = f"{self.lines_path.name} ends at number {contents.number}, and {signed} were signed here"
            contents.faults.append(("catalogue_old", f"{detail}: it is an old copy, or its end was cut off"))
        return contents

    def believed(self) -> Contents:
        """Everything. Raises CatalogueUnusable when it cannot be believed."""
        contents = self.read()
        self.refuse(contents)
        return contents

    def refuse(self, contents: Contents) -> None:
        """Raises CatalogueUnusable for contents that cannot be believed."""
        if contents.faults:
            code, detail = contents.faults[0]
            raise CatalogueUnusable(
                f"the catalogue of backups cannot be believed ({code}): {detail}. `cloudbill backup verify` lists what "
                f"is wrong; put the right file back, or set {self.folder} aside and make a new backup"
            )

    @contextmanager
    def pinned(self) -> Generator[Contents]:
        """Everything, with the unfinished ends of the log held: the one who writes replaces them every few seconds.

        `strays` is filled. On a folder that cannot be written nobody writes, and nothing is held.
        """
        pins: list[Path] = []
        try:
            with self._locked() as is_locked:
                contents = self.read()
                contents.strays = self._list_strays(contents)
                for system, coverage in contents.coverage.items():
                    if coverage.tail and is_locked and (self.folder / coverage.tail.file).exists():
                        pin = f"{coverage.tail.file}.pin-{os.getpid()}-{id(contents)}"
                        os.link(self.folder / coverage.tail.file, self.folder / pin)
                        pins.append(self.folder / pin)
                        contents.coverage[system] = replace(coverage, tail=replace(coverage.tail, file=pin))
            yield contents
        finally:
            for pin in pins:
                pin.unlink(missing_ok=True)

    def _list_strays(self, contents: Contents) -> list[str]:
        named = {entry.file for entry in contents.entries if not isinstance(entry, Gap)}
        named |= {coverage.tail.file for coverage in contents.coverage.values() if coverage.tail}
        found = [path for folder in FOLDERS for path in (self.folder / folder).rglob("*.age")]
        names = [str(path.relative_to(self.folder)) for path in found if not path.name.startswith(".")]
        return sorted(name for name in names if name not in named)

    @contextmanager
    def _locked(self) -> Generator[bool]:
        try:
            lock = (self.folder / ".lock").open("wb")
        except OSError:
            yield False
            return
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield True

    @contextmanager
    def writing(self) -> Generator["Pen"]:
        """The only one who writes, with what is there now. Raises CatalogueUnusable."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.folder / ".lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._drop_torn_end()
            contents = self.believed()
            contents.strays = self._list_strays(contents)
            yield Pen(self, contents)

    def _drop_torn_end(self) -> None:
        """A line that was being written when the machine or the process died was promised to nobody."""
        with suppress(FileNotFoundError), self.lines_path.open("r+b") as file:
            lines = file.read().splitlines(keepends=True)
            if lines and not lines[-1].endswith(b"\n") and len(lines) > self._lines_signed(lines):
                file.truncate(sum(map(len, lines[:-1])))

    def _lines_signed(self, lines: list[bytes]) -> int:
        with suppress(ValueError, KeyError, TypeError):
            if (signed := self._signed_so_far()) is not None:
                return signed - int(orjson.loads(lines[0])["body"]["number"]) + 1
        return len(lines)

    def _take(self, line: bytes, contents: Contents, trusted: bytes | None, *, last: bool) -> tuple[str, str] | None:
        try:
            outer = cast("dict[str, Any]", orjson.loads(line))
            body, signer = outer["body"], bytes.fromhex(outer["signer"])
            content, signature = orjson.dumps(body, option=orjson.OPT_SORT_KEYS), bytes.fromhex(outer["signature"])
            number, before, entry_format = int(body["number"]), str(body["before"]), int(body["format"])
        except (ValueError, KeyError, TypeError):
            if last and not line.endswith(b"\n"):
                return "catalogue_cut", "is cut off in the middle"
            return "catalogue_tampered", "is no line of a catalogue"
        if entry_format != FORMAT:
            return "catalogue_format", f"has format {entry_format}, and this CloudBill reads {FORMAT}"
        if trusted is not None and signer != trusted:
            return "catalogue_foreign", f"is signed by another key than {self.keys.folder / 'signing.key'}"
        if not signed_by(signer, signature, _LINE + content):
            return "catalogue_tampered", "was altered: its signature does not hold"
        if contents.number and (number != contents.number + 1 or before != contents.hash):
            return "catalogue_tampered", f"does not follow line {contents.number}: what was between them is gone"
        contents.number, contents.hash = number, hashlib.sha256(content).hexdigest()
        if "kind" in body:
            contents.entries.append(_entry(body["kind"], body["entry"]))
        return None

    def _read_head(self, contents: Contents, trusted: bytes | None) -> None:
        try:
            outer = cast("dict[str, Any]", orjson.loads(self.head_path.read_bytes()))
            body, signer = outer["body"], bytes.fromhex(outer["signer"])
            content = orjson.dumps(body, option=orjson.OPT_SORT_KEYS)
            held = signed_by(signer, bytes.fromhex(outer["signature"]), _HEAD + content)
            held = held and (trusted is None or signer == trusted)
            coverage = {name: _coverage(found) for name, found in body["coverage"].items()}
        except FileNotFoundError:
            return  # nothing of the log was archived yet
        except (ValueError, KeyError, TypeError):
            held, coverage = False, {}
        if not held:
            contents.faults.append(("head_tampered", f"{self.head_path.name} was altered: its signature does not hold"))
        else:
            contents.coverage = coverage

    def _signed_so_far(self) -> int | None:
        """None where nobody can tell."""
        with suppress(OSError, ValueError):
            return int(self.signed_path.read_text(encoding="ascii"))
        return None

    @property
    def signed_path(self) -> Path:
        """Says how many lines were signed; apart from the folder, so that an old copy of it is seen to be old."""
        mark = hashlib.sha256(str(self.folder.absolute()).encode()).hexdigest()[:12]
        return self.keys.folder / f"signed-{mark}"


class Pen:
    """Writes into the catalogue; `contents` follows."""

    def __init__(self, catalogue: Catalogue, contents: Contents) -> None:
        self.contents = contents
        self._catalogue = catalogue
        self._signer = catalogue.keys.signer()
        self._public = self._signer.public_key().public_bytes_raw().hex()

    def append(self, entry: Entry) -> None:
        """One more line, on the disk when this returns."""
        line = self._line(entry)
        with self._catalogue.lines_path.open("ab") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        self.contents.entries.append(entry)
        self._note_signed()

    def keep(self, kept: Callable[[Entry], bool]) -> None:
        """Only those entries stay. The numbers go on, so that an old catalogue is still seen to be one."""
        entries = [entry for entry in self.contents.entries if kept(entry)]
        lines = [self._line(None), *(self._line(entry) for entry in entries)]
        _replace(self._catalogue.lines_path, b"".join(lines))
        self.contents.entries = entries
        self._note_signed()

    def cover(self, coverage: Coverage) -> None:
        """How far the log of a system is archived now."""
        self.contents.coverage[coverage.system] = coverage
        body = {
            "format": FORMAT,
            "coverage": {name: asdict(found) for name, found in self.contents.coverage.items()},
        }
        _replace(self._catalogue.head_path, self._signed(_HEAD, body))

    def _line(self, entry: Entry | None) -> bytes:
        body: dict[str, Any] = {
            "format": FORMAT,
            "number": self.contents.number + 1,
            "before": self.contents.hash,
        }
        if entry is not None:
            kind = next(name for name, type_ in _KINDS.items() if isinstance(entry, type_))
            body |= {"kind": kind, "entry": asdict(entry)}
        line = self._signed(_LINE, body)
        self.contents.number += 1
        self.contents.hash = hashlib.sha256(_content(body)).hexdigest()
        return line

    def _signed(self, tag: bytes, body: dict[str, Any]) -> bytes:
        content = _content(body)
        signature = self._signer.sign(tag + content).hex()
        return (
            b'{"body":' + content + b',"signature":"' + signature.encode() + b'","signer":"' + self._public.encode()
        ) + b'"}\n'

    def _note_signed(self) -> None:
        write_count(self._catalogue.signed_path, self.contents.number)


def write_count(path: Path, number: int) -> None:
    """How many lines were signed, on the disk when this returns."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _replace(path, f"{number}\n".encode())


def _content(body: dict[str, Any]) -> bytes:
    return orjson.dumps(body, option=orjson.OPT_SORT_KEYS)


def _replace(path: Path, content: bytes) -> None:
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
    sync_folder(path.parent)


def _entry(kind: str, fields: dict[str, Any]) -> Entry:
    return _KINDS[kind](**_timed(fields))


def _coverage(fields: dict[str, Any]) -> Coverage:
    tail = fields.pop("tail")
    return Coverage(**_timed(fields), tail=Segment(**_timed(tail)) if tail else None)


def _timed(fields: dict[str, Any]) -> dict[str, Any]:
    return {
        name: datetime.fromisoformat(value) if value and (name.endswith(("_at", "until")) or name == "at") else value
        for name, value in fields.items()
    }
