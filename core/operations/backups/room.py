"""How much room a disk must keep: backups stop before they fill it."""

import shutil
from pathlib import Path

from core.operations.backups.errors import NoRoom


def check_room(folder: Path, *, needed_bytes: int, keep_free_bytes: int) -> None:
    """Raises NoRoom when writing so much would leave less than is to be kept free."""
    place = folder
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if free - needed_bytes < keep_free_bytes:
        raise NoRoom(
            f"the disk of {folder} has {free // 2**20} MB free; {needed_bytes // 2**20} MB are needed and "
            f"{keep_free_bytes // 2**20} MB stay free (BACKUP_KEEP_FREE_MB): free some space, let "
            "`cloudbill backup prune` drop old backups, or set BACKUPS_PATH to another disk"
        )
