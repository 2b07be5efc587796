"""Dropping what no instant of the retention needs. The catalogue forgets first, so that it never names a file that is
gone; a file that a kill left behind is unlisted, and goes with the next pruning.
"""

from datetime import datetime

from core.foundation.settings import Settings
from core.operations.backups.catalogue import Entry
from core.operations.backups.retention import files, to_drop
from core.operations.backups.taking import catalogue_of


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
        for file in [*files(dropped), *pen.contents.strays]:
            (catalogue.folder / file).unlink(missing_ok=True)
    return dropped
