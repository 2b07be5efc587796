"""A copy of all that is kept, in another folder: what `BACKUPS_PATH` may point to when this one is lost."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from core.foundation.settings import Settings
from core.operations.backups.catalogue import Catalogue, Gap, write_count
from core.operations.backups.errors import BackupFailed, Damaged
from core.operations.clouds.errors import CloudError
from core.operations.clouds.objects import FolderObjects


def copy_all(catalogue: Catalogue, into: Path) -> int:
    """How many files were copied: a sealed file never changes, so that one that is there already is left alone.

    Catalogue and head come last, so that an unfinished copy is an old one, and not a wrong one. Raises BackupError.
    """
    if into.absolute() == catalogue.folder.absolute():
        raise BackupFailed(f"{into} is where the backups are: name another folder, best on another disk")
    there = FolderObjects(into)
    try:
        with _held(catalogue) as (files, lines, head):
            copied = 0
            for name, path in files.items():
                if not path.is_file():
                    raise Damaged(f"{name} is missing, so that a copy would not be whole: `cloudbill backup verify`")
                if name in lines.tails or not _same(into / name, path):
                    there.put(name, path)
                    copied += 1
            there.put(catalogue.lines_path.name, lines.text)
            if head is not None:
                there.put(catalogue.head_path.name, head)
    except CloudError as error:
        raise BackupFailed(error.detail) from None
    return copied


def copy_elsewhere(settings: Settings, catalogue: Catalogue) -> int | None:
    """Into BACKUPS_COPY_PATH; how many files were copied, or None where no other place is named. Raises BackupError."""
    if settings.backups_copy_path is None or not catalogue.exists:
        return None
    return copy_to(settings.backups_copy_path.absolute(), catalogue)


def copy_to(place: Path, catalogue: Catalogue) -> int:
    """Into a folder; how many files were copied. Raises BackupError."""
    copied = copy_all(catalogue, place)
    # Known apart from the copy, like that of the original, so that an old copy is seen to be old.
    there = Catalogue(place, catalogue.keys)
    write_count(there.signed_path, there.read().number)
    return copied


class _Lines:
    def __init__(self, text: bytes, tails: set[str]) -> None:
        self.text, self.tails = text, tails


@contextmanager
def _held(catalogue: Catalogue) -> Generator[tuple[dict[str, Path], _Lines, bytes | None]]:
    """What belongs to one moment: the unfinished ends of the log are held by links, as they are replaced meanwhile."""
    pins: list[Path] = []
    try:
        with catalogue.writing() as pen:
            files = {
                entry.file: catalogue.folder / entry.file
                for entry in pen.contents.entries
                if not isinstance(entry, Gap)
            }
            tails = {coverage.tail.file for coverage in pen.contents.coverage.values() if coverage.tail}
            for tail in tails:
                pin = catalogue.folder / f"{tail}.pin-{os.getpid()}-copy"
                os.link(catalogue.folder / tail, pin)
                pins.append(pin)
                files[tail] = pin
            text = catalogue.lines_path.read_bytes()
            head = catalogue.head_path.read_bytes() if catalogue.head_path.exists() else None
        yield files, _Lines(text, tails), head
    finally:
        for pin in pins:
            pin.unlink(missing_ok=True)


def _same(there: Path, here: Path) -> bool:
    return there.is_file() and there.stat().st_size == here.stat().st_size
