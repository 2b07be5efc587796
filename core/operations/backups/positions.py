"""Positions in PostgreSQL's log, names of its segments, and which instants a base backup and a log lead to."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from core.operations.backups.catalogue import Backup, Contents, Segment

_SEGMENT = re.compile(r"^([0-9A-F]{8})([0-9A-F]{8})([0-9A-F]{8})$")
_HISTORY = re.compile(r"^[0-9A-F]{8}\.history$")


def parse_lsn(text: str) -> int:
    """ "16/B374D848" as a number of bytes."""
    high, _, low = text.partition("/")
    return (int(high, 16) << 32) + int(low, 16)


def format_lsn(position: int) -> str:
    """As PostgreSQL writes it."""
    return f"{position >> 32:X}/{position & 0xFFFFFFFF:X}"


def is_segment(name: str) -> bool:
    """Whether it is the name of a segment."""
    return _SEGMENT.match(name) is not None


def is_history(name: str) -> bool:
    """Whether it is the name of a timeline's history."""
    return _HISTORY.match(name) is not None


def number_of(name: str, segment_bytes: int) -> int:
    """Which segment it is, counted from the beginning of the log, whatever its timeline."""
    match = _SEGMENT.match(name)
    assert match, name
    return int(match[2], 16) * (0x1_0000_0000 // segment_bytes) + int(match[3], 16)


def timeline_of(name: str) -> int:
    """The timeline that it is of."""
    return int(name[:8], 16)


def segment_name(timeline: int, number: int, segment_bytes: int) -> str:
    """The name of a segment."""
    a_file = 0x1_0000_0000 // segment_bytes
    return f"{timeline:08X}{number // a_file:08X}{number % a_file:08X}"


@dataclass(frozen=True, kw_only=True)
class Window:
    """From one base backup: the instants it leads to, without a hole between."""

    backup: Backup
    start: datetime
    end: datetime
    missing: str | None
    """The first segment that is not there, where it ends before the log does."""


def windows(contents: Contents) -> list[Window]:
    """One for each base backup, oldest first."""
    return [_window(contents, backup) for backup in contents.backups("database")]


def needed(contents: Contents, backup: Backup) -> list[Segment]:
    """All that is archived of the log from the backup's beginning on, histories and the unfinished end included."""
    size = backup.segment_bytes
    first = parse_lsn(backup.start_lsn) // size
    found = [
        segment
        for segment in contents.segments(backup.system)
        if is_history(segment.name)
        or (number_of(segment.name, size) >= first and timeline_of(segment.name) >= backup.timeline)
    ]
    coverage = contents.coverage.get(backup.system)
    whole = {segment.name for segment in found}
    if coverage and coverage.tail and coverage.tail.name not in whole:
        found.append(coverage.tail)
    return found


def missing_segments(backup: Backup, found: Iterable[Segment]) -> list[str]:
    """The names of those between the backup's beginning and the newest that are not there."""
    size = backup.segment_bytes
    names = [segment.name for segment in found if is_segment(segment.name)]
    numbers = {number_of(name, size) for name in names}
    first, last = parse_lsn(backup.start_lsn) // size, max(numbers, default=-1)
    timelines = sorted((number_of(name, size), timeline_of(name)) for name in names)
    gone: list[str] = []
    for number in range(first, last + 1):
        if number not in numbers:
            timeline = max((t for n, t in timelines if n <= number), default=backup.timeline)
            gone.append(segment_name(timeline, number, size))
    return gone


def _window(contents: Contents, backup: Backup) -> Window:
    found = needed(contents, backup)
    gone = missing_segments(backup, found)
    coverage = contents.coverage.get(backup.system)
    size = backup.segment_bytes
    if not gone:
        instants = [segment.covered_until for segment in found if segment.covered_until]
        if coverage and coverage.until:
            instants.append(coverage.until)
    else:
        hole = number_of(gone[0], size)
        instants = [
            segment.covered_until
            for segment in found
            if segment.covered_until and is_segment(segment.name) and number_of(segment.name, size) < hole
        ]
    end = max([*instants, backup.finished_at])
    return Window(backup=backup, start=backup.finished_at, end=end, missing=gone[0] if gone else None)
