"""The archive of the log: what pg_receivewal has received is sealed into the folder of backups, the end included.

A whole segment is sealed once and then leaves the spool. The one under way is sealed again and again, up to the
position received, so that the folder of backups alone leads to within seconds of now.
"""

from collections import deque
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from core.foundation.clock import wall_now
from core.operations.backups.catalogue import Catalogue, Coverage, Gap, Pen, Segment
from core.operations.backups.errors import Damaged
from core.operations.backups.keys import name_of
from core.operations.backups.positions import (
    format_lsn,
    is_history,
    is_segment,
    number_of,
    parse_lsn,
    segment_name,
    timeline_of,
)
from core.operations.backups.room import check_room
from core.operations.backups.sealed import CHUNK, digest_of, seal

_PARTIAL = ".partial"


class Archive:
    """The log of one system, on its way from the spool into the folder of backups."""

    def __init__(
        self, catalogue: Catalogue, spool: Path, *, system: str, segment_bytes: int, keep_free_bytes: int
    ) -> None:
        self.spool = spool
        self._catalogue, self._system, self._segment_bytes = catalogue, system, segment_bytes
        self._keep_free_bytes = keep_free_bytes
        self._recipients = catalogue.keys.recipients()
        self._beats: deque[tuple[datetime, int]] = deque(maxlen=100_000)
        self._shipped = 0

    def beat(self, at: datetime, position: int) -> None:
        """A commit later than `at` is in the log before `position`."""
        self._beats.append((at, position))

    def ship(self, received: int) -> int:
        """Seals what is new; how many whole segments. `received` is a position up to which the spool has the log.

        Raises BackupError.
        """
        check_room(self._catalogue.folder, needed_bytes=0, keep_free_bytes=self._keep_free_bytes)
        whole = sorted(path for path in self.spool.iterdir() if is_segment(path.name) or is_history(path.name))
        for path in whole:
            self._ship_whole(path)
        partial = max(self.spool.glob(f"*{_PARTIAL}"), key=lambda path: path.name, default=None)
        if partial is not None:
            self._ship_end(partial, received)
        elif whole:
            self._cover(self._end_of(whole[-1].name) if is_segment(whole[-1].name) else self._shipped, sealing=None)
        return len(whole)

    def note_gap(self, reason: str) -> None:
        """The slot was lost: what was not received is gone."""
        with self._catalogue.writing() as pen:
            pen.append(Gap(system=self._system, at=wall_now(), reason=reason))

    def spooled_bytes(self) -> int:
        """What waits."""
        return sum(path.stat().st_size for path in self.spool.iterdir() if path.is_file())

    def _ship_whole(self, path: Path) -> None:
        with self._catalogue.writing() as pen:
            known = _find(pen, self._system, path.name)
            if known is None:
                end = self._end_of(path.name) if is_segment(path.name) else self._shipped
                pen.append(self._seal(path.name, _whole(path), until=self._until(end)))
            elif (found := digest_of(path)[1]) != known.plain_sha256:
                raise Damaged(
                    f"{path.name} was archived before with another content ({known.plain_sha256[:12]}, now "
                    f"{found[:12]}): two servers of one system write the same timeline; set BACKUPS_PATH of one apart"
                )
        path.unlink()

    def _ship_end(self, path: Path, received: int) -> None:
        name = path.name.removesuffix(_PARTIAL)
        start = number_of(name, self._segment_bytes) * self._segment_bytes
        length = min(max(received - start, 0), self._segment_bytes)
        end = start + length
        if not length or end == self._shipped:
            return
        self._cover(end, sealing=lambda: self._seal(name, _beginning(path, length), until=self._until(end), end=True))

    def _cover(self, end: int, *, sealing: Callable[[], Segment] | None) -> None:
        with self._catalogue.writing() as pen:
            tail = sealing() if sealing else None
            before = pen.contents.coverage.get(self._system)
            until = self._until(end) or (before.until if before and parse_lsn(before.lsn) <= end else None)
            pen.cover(Coverage(system=self._system, lsn=format_lsn(end), until=until, tail=tail, shipped_at=wall_now()))
            self._shipped = end
            if before and before.tail:  # never the file of the new one: its name says when it was sealed
                (self._catalogue.folder / before.tail.file).unlink(missing_ok=True)
        while len(self._beats) > 1 and self._beats[1][1] <= end:
            self._beats.popleft()

    def _seal(self, name: str, chunks: Iterator[bytes], *, until: datetime | None, end: bool = False) -> Segment:
        now = wall_now()
        mark = f"{_PARTIAL}.{now:%H%M%S%f}" if end else ""
        file = f"log/{self._system}/{name}{mark}.gz.age"
        sealed = seal(chunks, self._catalogue.folder / file, to=self._recipients)
        return Segment(
            name=name,
            system=self._system,
            file=file,
            size=sealed.size,
            sha256=sealed.sha256,
            plain_size=sealed.plain_size,
            plain_sha256=sealed.plain_sha256,
            keys=[name_of(key) for key in self._recipients],
            covered_until=until,
            archived_at=now,
        )

    def _end_of(self, name: str) -> int:
        return (number_of(name, self._segment_bytes) + 1) * self._segment_bytes

    def _until(self, end: int) -> datetime | None:
        return max((at for at, position in self._beats if position <= end), default=None)


def next_name(name: str, segment_bytes: int) -> str:
    """The segment that follows."""
    return segment_name(timeline_of(name), number_of(name, segment_bytes) + 1, segment_bytes)


def _find(pen: Pen, system: str, name: str) -> Segment | None:
    return next((known for known in reversed(pen.contents.segments(system)) if known.name == name), None)


def _whole(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def _beginning(path: Path, length: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        while length > 0 and (chunk := file.read(min(CHUNK, length))):
            length -= len(chunk)
            yield chunk
