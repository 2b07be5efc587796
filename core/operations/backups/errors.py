"""What goes wrong with backups and restores. Each says what to do.

BackupError
├── BackupFailed        backup_failed          PostgreSQL's own programs could not make it
├── NoRoom              backup_no_room         too little disk for it
├── KeyMissing          backup_key_missing     no private key here that could open it
├── WrongKey            backup_wrong_key       the private key here is another one
├── Damaged             backup_damaged         a file is not what the catalogue says
├── CatalogueUnusable   catalogue_unusable     the catalogue was tampered with, is old, or of another format
├── UnknownBackup       backup_unknown         no backup of that name
├── OutsideWindow       restore_outside_window nothing leads to that instant
├── NameTaken           restore_name_taken     something of that name is there already
└── RestoreFailed       restore_failed         PostgreSQL did not come to the target
"""

from core.foundation.errors import CloudBillError


class BackupError(CloudBillError):
    """Base of what goes wrong here."""

    code = "backup_error"


class BackupFailed(BackupError):
    """It could not be made; what was there before still is."""

    code = "backup_failed"


class NoRoom(BackupError):
    """Writing on would fill the disk."""

    status = 507
    code = "backup_no_room"


class KeyMissing(BackupError):
    """Backups are sealed to a public key; opening them takes the private one."""

    code = "backup_key_missing"


class WrongKey(BackupError):
    """Sealed to another key."""

    code = "backup_wrong_key"


class Damaged(BackupError):
    """Flipped, cut off or missing."""

    code = "backup_damaged"


class CatalogueUnusable(BackupError):
    """What it says cannot be believed."""

    code = "catalogue_unusable"


class UnknownBackup(BackupError):
    """No such backup."""

    status = 404
    code = "backup_unknown"


class OutsideWindow(BackupError):
    """No base backup with all of the log up to that instant."""

    status = 409
    code = "restore_outside_window"


class NameTaken(BackupError):
    """A restore never overwrites."""

    status = 409
    code = "restore_name_taken"


class RestoreFailed(BackupError):
    """The copy was taken away again."""

    code = "restore_failed"
