"""Whether a backup could be restored, asked before it is needed: every file by its signed size and SHA-256, what is
inside by PostgreSQL's own manifest, the log by its order and by pg_waldump, each fault by the name of what is wrong.

Without the private key the sealed files are checked as they lie there; with it, what is inside, too.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from core.foundation.settings import Settings
from core.operations.backups.catalogue import Backup, Catalogue, Contents, Segment
from core.operations.backups.contents import Reader
from core.operations.backups.errors import BackupError, BackupFailed, Damaged, KeyMissing, UnknownBackup, WrongKey
from core.operations.backups.keys import Opening
from core.operations.backups.positions import (
    format_lsn,
    is_segment,
    missing_segments,
    needed,
    number_of,
    parse_lsn,
    timeline_of,
)
from core.operations.backups.programs import run, server_programs
from core.operations.backups.sealed import digest_of, unseal
from core.operations.backups.taking import catalogue_of

_SEGMENTS_AT_ONCE = 16
"""In the clear on the disk for pg_waldump, in a folder that only we may enter, and gone after it."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong. `check` is stable, `name` is the file, backup or segment, `detail` says what."""

    check: str
    name: str
    detail: str

    def __str__(self) -> str:
        return f"{self.name}: {self.detail} [{self.check}]"


@dataclass
class Looked:
    """What was looked at."""

    backups: int = 0
    segments: int = 0
    opened: bool = False
    """Whether what is inside was checked, too."""
    findings: int = 0


def verify(settings: Settings, *, wanted: str | None = None, looked: Looked | None = None) -> Iterator[Finding]:
    """All that is wrong with all backups, or with one and the log it needs. Raises UnknownBackup."""
    looked = looked or Looked()
    for finding in _verify(settings, wanted, looked):
        looked.findings += 1
        yield finding


def _verify(settings: Settings, wanted: str | None, looked: Looked) -> Iterator[Finding]:
    catalogue = catalogue_of(settings)
    if not catalogue.folder.is_dir():
        yield Finding(check="no_backup", name=str(catalogue.folder), detail="is not there")
        return
    with catalogue.pinned() as contents:
        yield from _verify_contents(catalogue, contents, wanted, looked)


def _verify_contents(catalogue: Catalogue, contents: Contents, wanted: str | None, looked: Looked) -> Iterator[Finding]:
    for check, detail in (*contents.faults, *contents.doubts):
        yield Finding(check=check, name="catalogue", detail=detail)
    chosen = [backup for backup in contents.backups() if wanted in (None, backup.id)]
    if wanted is not None and not chosen:
        raise UnknownBackup(f"there is no backup {wanted}: `cloudbill backup list` names them")
    if not contents.backups("database") and wanted is None:
        yield Finding(check="no_backup", name=str(catalogue.folder), detail="holds no base backup")
    try:
        openings = catalogue.keys.openings()
    except KeyMissing:
        openings = []
    looked.opened = bool(openings)
    broken: set[str] = set()
    for backup in chosen:
        looked.backups += 1
        for finding in _check_file(catalogue, backup, backup.id, openings):
            broken.add(backup.file)
            yield finding
    bases = [backup for backup in chosen if backup.kind == "database"]
    yield from _check_log(catalogue, contents, bases, openings, broken, looked)
    if wanted is None:
        for file in contents.strays:
            yield Finding(
                check="unlisted", name=file, detail="is not in the catalogue: an older catalogue, or a stray file"
            )


def _check_file(catalogue: Catalogue, entry: Backup | Segment, name: str, openings: list[Opening]) -> Iterator[Finding]:
    path = catalogue.folder / entry.file
    try:
        size, digest = digest_of(path)
    except FileNotFoundError:
        yield Finding(check="file_missing", name=name, detail=f"{entry.file} is gone")
        return
    except OSError as error:
        yield Finding(check="file_unreadable", name=name, detail=f"{entry.file} cannot be read ({error.strerror})")
        return
    if size < entry.size:
        yield Finding(
            check="file_truncated", name=name, detail=f"{entry.file} has {size} of {entry.size} bytes: its end is gone"
        )
        return
    if digest != entry.sha256:
        yield Finding(
            check="file_altered", name=name, detail=f"{entry.file} is altered: its SHA-256 is not the signed one"
        )
        return
    if openings:
        yield from _check_inside(path, entry, name, openings)


def _check_inside(path: Path, entry: Backup | Segment, name: str, openings: list[Opening]) -> Iterator[Finding]:
    if not any(opening.name in entry.keys for opening in openings):
        here, there = ", ".join(opening.name for opening in openings), ", ".join(entry.keys)
        yield Finding(check="wrong_key", name=name, detail=f"is sealed to the key {there}; the one here is {here}")
        return
    is_base = isinstance(entry, Backup) and entry.kind == "database"
    reader = Reader() if is_base else None
    try:
        size, digest = unseal(path, reader.write if reader else _nothing, by=openings)
        if (size, digest) != (entry.plain_size, entry.plain_sha256):
            yield Finding(check="content_altered", name=name, detail="what is inside is not what was put there")
        if reader and isinstance(entry, Backup):
            seen = reader.finish()
            faults = seen.faults()
            if seen.files.get("backup_manifest", (0, ""))[1] != entry.manifest_sha256:
                faults.insert(0, "backup_manifest is not the one of the catalogue")
            for fault in faults[:20]:
                yield Finding(check="manifest", name=name, detail=fault)
    except WrongKey as error:
        yield Finding(check="wrong_key", name=name, detail=error.detail)
    except Damaged as error:
        yield Finding(check="content_damaged", name=name, detail=error.detail)
    finally:
        if reader:
            reader.abandon()


def _check_log(
    catalogue: Catalogue,
    contents: Contents,
    bases: list[Backup],
    openings: list[Opening],
    broken: set[str],
    looked: Looked,
) -> Iterator[Finding]:
    seen: set[str] = set()
    for system in sorted({base.system for base in bases}):
        made = [base for base in bases if base.system == system]
        oldest = min(made, key=lambda base: parse_lsn(base.start_lsn))
        found = needed(contents, oldest)
        for gap in contents.gaps(system):
            if gap.at >= oldest.started_at:
                yield Finding(check="log_gap", name=gap.at.isoformat(), detail=gap.reason)
        for name in missing_segments(oldest, found):
            yield Finding(check="log_missing", name=name, detail="this segment of the log was never archived")
        for segment in found:
            if segment.file in seen:
                continue
            seen.add(segment.file)
            looked.segments += 1
            for finding in _check_file(catalogue, segment, segment.name, openings):
                broken.add(segment.file)
                yield finding
        usable = [s for s in found if s.file not in broken and is_segment(s.name)]
        if openings and usable:
            yield from _read_log(catalogue, contents, oldest, usable, openings)


def _read_log(
    catalogue: Catalogue, contents: Contents, base: Backup, segments: list[Segment], openings: list[Opening]
) -> Iterator[Finding]:
    """Lets pg_waldump read every record, run by run of neighbours; each run overlaps the one before by a segment."""
    try:
        programs = server_programs(base.version)
    except BackupFailed as error:
        yield Finding(check="log_unread", name=base.id, detail=f"{error.detail}; its log was not read")
        return
    size = base.segment_bytes
    coverage = contents.coverage.get(base.system)
    ordered = sorted(segments, key=lambda segment: (timeline_of(segment.name), number_of(segment.name, size)))
    for batch in _neighbours(ordered, size):
        first, last = number_of(batch[0].name, size), number_of(batch[-1].name, size)
        start = max(first * size, parse_lsn(base.start_lsn))
        end = (last + 1) * size
        if batch[-1].plain_size < size and coverage:
            end = last * size + batch[-1].plain_size
        with tempfile.TemporaryDirectory(prefix="cloudbill-log-") as place:
            try:
                for segment in batch:
                    unpack(catalogue, segment, Path(place), openings, segment_bytes=size)
                run(
                    [
                        programs / "pg_waldump",
                        "--quiet",
                        f"--path={place}",
                        f"--timeline={timeline_of(batch[0].name)}",
                        f"--start={format_lsn(start)}",
                        f"--end={format_lsn(end)}",
                    ]
                )
            except BackupError as error:
                names = batch[0].name if len(batch) == 1 else f"{batch[0].name} to {batch[-1].name}"
                yield Finding(check="log_unreadable", name=names, detail=error.detail)


def unpack(
    catalogue: Catalogue, segment: Segment, folder: Path, openings: list[Opening], *, segment_bytes: int
) -> Path:
    """A segment in the clear, filled up to its whole size where it is the unfinished end. Raises Damaged, WrongKey."""
    path = folder / segment.name
    with path.open("wb") as file:
        size, digest = unseal(catalogue.folder / segment.file, file.write, by=openings)
        if is_segment(segment.name):
            file.truncate(segment_bytes)
    if (size, digest) != (segment.plain_size, segment.plain_sha256):
        raise Damaged(f"{segment.name}: what is inside is not what was put there")
    return path


def _neighbours(segments: list[Segment], size: int) -> Iterator[list[Segment]]:
    batch: list[Segment] = []
    for segment in segments:
        follows = (
            batch
            and timeline_of(segment.name) == timeline_of(batch[-1].name)
            and number_of(segment.name, size) == number_of(batch[-1].name, size) + 1
        )
        if batch and not follows:
            yield batch
            batch = []
        elif len(batch) >= _SEGMENTS_AT_ONCE:
            yield batch
            batch = batch[-1:]
        batch.append(segment)
    if batch:
        yield batch


def _nothing(chunk: bytes) -> None:
    return
