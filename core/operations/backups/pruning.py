"""Dropping what no instant of the retention needs. The catalogue forgets first, so that it never names a file that is
gone; a file that a kill left behind is unlisted, and goes with the next pruning.
"""

from datetime import datetime

from core.foundation.settings import Settings
from core.operations.backups.catalogue import Catalogue, Contents, Entry
from core.operations.backups.retention import files, to_drop
from core.operations.backups.taking import catalogue_of

FOLDERS = ("database", "log", "application")


def prune(settings: Settings, *, now: datetime) -> list[Entry]:
    """Drops them; what was dropped. Raises CatalogueUnusable."""
    catalogue = catalogue_of(settings)
    if not catalogue.exists:
        return []
    with catalogue.writing() as pen:
        dropped = to_drop(pen.contents, now=now, retention=settings.backup_retention)
        if dropped:
            gone = {id(entry) for entry in dropped}
            pen.keep(lambda entry: id(entry) not in gone)
        for file in [*files(dropped), *unlisted(catalogue, pen.contents)]:
            (catalogue.folder / file).unlink(missing_ok=True)
    return dropped


def unlisted(catalogue: Catalogue, contents: Contents) -> list[str]:
    """Files of backups that the catalogue does not name; a file being written has another name until it is whole."""
    named = {entry.file for entry in contents.entries if hasattr(entry, "file")}  # pyright: ignore
    named |= {coverage.tail.file for coverage in contents.coverage.values() if coverage.tail}
    return sorted(
        str(path.relative_to(catalogue.folder))
        for folder in FOLDERS
        for path in (catalogue.folder / folder).rglob("*.age")
        if not path.name.startswith(".") and str(path.relative_to(catalogue.folder)) not in named
    )
