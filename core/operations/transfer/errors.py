"""What goes wrong when an installation is taken elsewhere. Each says what to do; the source is never harmed.

TransferError
├── TableWithoutKey     table_without_key      rows that cannot be named cannot be compared or followed
├── LargeObjects        large_objects          they belong to no table, and row security does not know them
├── UnsupportedTable    table_unsupported      foreign, inherited or unlogged
├── RowsHidden          rows_hidden            a policy would hide rows from the one that copies
├── ServerUnfit         server_unfit           too old, of another encoding, or without a right that is needed
├── SchemaDiffers       schema_differs         source and target are not at the same revision, or were altered
├── TargetNotEmpty      target_not_empty       an import never mixes with what is there
├── TargetBusy          target_busy            another transfer works on it, or stopped halfway
├── DigestsDiffer       digests_differ         what arrived is not what left
├── SetDamaged          set_damaged            a file of the set is not what its manifest says
├── SetIncomplete       set_incomplete         a file is missing, or the set was never finished
├── SetForeign          set_foreign            signed by somebody else, or by nobody
├── SetTooNew           set_too_new            made by a newer CloudBill or at a newer schema
├── SetSealed           set_sealed             sealed to a key that is not here
├── KeyDiffers          key_differs            the target could not open what it would be given
├── CacheUnfit          cache_unfit            Redis refuses, or holds what nobody decided about
└── TransferRefused     transfer_refused       asked for something that would do harm
"""

from core.foundation.errors import CloudBillError


class TransferError(CloudBillError):
    """Base of what goes wrong here."""

    code = "transfer_error"


class TableWithoutKey(TransferError):
    """A table has no primary key."""

    code = "table_without_key"


class LargeObjects(TransferError):
    """The database holds large objects."""

    code = "large_objects"


class UnsupportedTable(TransferError):
    """A kind of table that is not copied."""

    code = "table_unsupported"


class RowsHidden(TransferError):
    """Row security would hide rows."""

    code = "rows_hidden"


class ServerUnfit(TransferError):
    """The server or the login lacks something."""

    code = "server_unfit"


class SchemaDiffers(TransferError):
    """Two schemas that should be one."""

    code = "schema_differs"


class TargetNotEmpty(TransferError):
    """There are rows already."""

    status = 409
    code = "target_not_empty"


class TargetBusy(TransferError):
    """Something else works on the target."""

    status = 409
    code = "target_busy"


class DigestsDiffer(TransferError):
    """Rows were changed, lost or added."""

    code = "digests_differ"


class SetDamaged(TransferError):
    """A file was altered or cut."""

    code = "set_damaged"


class SetIncomplete(TransferError):
    """A file is missing."""

    code = "set_incomplete"


class SetForeign(TransferError):
    """Not signed by a key that is believed here."""

    code = "set_foreign"


class SetTooNew(TransferError):
    """Newer than this CloudBill or this database."""

    code = "set_too_new"


class SetSealed(TransferError):
    """No key here opens it."""

    code = "set_sealed"


class KeyDiffers(TransferError):
    """Another key than the one the rows were sealed under."""

    code = "key_differs"


class CacheUnfit(TransferError):
    """Redis does not do what is needed."""

    code = "cache_unfit"


class TransferRefused(TransferError):
    """It would do harm."""

    status = 409
    code = "transfer_refused"
