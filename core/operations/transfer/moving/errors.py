"""What goes wrong with a move. Each says what to do; the source goes on serving unless the text says otherwise.

MoveError
├── ServerUnreachable     move_server_unreachable     no connection, a wrong password, an expired certificate
├── MoveRefused           move_refused                preflight found what has to be mended first
├── MoveUnderWay          move_under_way              another mover works on one of the two
├── MoveUnknown           move_unknown                no such move here
├── WrongPhase            move_wrong_phase            the move is not where that command has a meaning
├── SnapshotLost          move_snapshot_lost          what held the source's snapshot is gone: the copy starts anew
├── SlotLost              move_slot_lost              the source dropped the slot: the move starts anew
├── SchemaChanged         move_schema_changed         DDL on either side during the move
├── ApplyRefused          move_apply_refused          the target refuses a change that the source accepted
├── DiskFull              move_disk_full              no room on the target, the source or here
├── SidesDisagree         move_sides_disagree         rows differ; each by table and key
├── BooksWrong            move_books_wrong            the ledger on the target does not verify
├── ClocksDiffer          move_clocks_differ          the two servers' clocks are apart
├── StreamBroken          move_stream_broken          bytes that are not PostgreSQL's protocol, or the wire is gone
├── CertificateAltered    move_certificate_altered    a byte of it was changed
└── CertificateForeign    move_certificate_foreign    signed with another key
"""

from core.foundation.errors import CloudBillError


class MoveError(CloudBillError):
    """Base of what goes wrong here."""

    code = "move_error"


class ServerUnreachable(MoveError):
    """No connection to one of the two."""

    status = 503
    code = "move_server_unreachable"


class MoveRefused(MoveError):
    """What preflight found has to be mended first; nothing was changed."""

    status = 409
    code = "move_refused"


class MoveUnderWay(MoveError):
    """Two movers at once would undo each other's work."""

    status = 409
    code = "move_under_way"


class MoveUnknown(MoveError):
    """No such move here."""

    status = 404
    code = "move_unknown"


class WrongPhase(MoveError):
    """The move is not where that has a meaning."""

    status = 409
    code = "move_wrong_phase"


class SnapshotLost(MoveError):
    """The rest of the copy cannot be read as of the same instant."""

    code = "move_snapshot_lost"


class SlotLost(MoveError):
    """The source no longer keeps the changes that the target still needs."""

    code = "move_slot_lost"


class SchemaChanged(MoveError):
    """A table is no longer what it was when the move began."""

    status = 409
    code = "move_schema_changed"


class ApplyRefused(MoveError):
    """The target refuses what the source accepted."""

    code = "move_apply_refused"


class DiskFull(MoveError):
    """No room left."""

    status = 507
    code = "move_disk_full"


class SidesDisagree(MoveError):
    """The two sides do not hold the same rows."""

    status = 409
    code = "move_sides_disagree"


class BooksWrong(MoveError):
    """Sums, balances or chains of the ledger that is to be served do not hold."""

    status = 409
    code = "move_books_wrong"


class ClocksDiffer(MoveError):
    """The servers' clocks are apart: what goes by them would jump at the switch."""

    status = 409
    code = "move_clocks_differ"


class StreamBroken(MoveError):
    """The stream ended or is not what the protocol says; it is opened again from the position that was committed."""

    status = 503
    code = "move_stream_broken"


class CertificateAltered(MoveError):
    """It is not what was signed."""

    code = "move_certificate_altered"


class CertificateForeign(MoveError):
    """Signed with a key that is not believed here."""

    code = "move_certificate_foreign"


def named(code: str, detail: str) -> MoveError:
    """The error of that code, as another process of ours wrote it down."""
    kinds = {kind.code: kind for kind in MoveError.__subclasses__()}
    return kinds.get(code, MoveError)(detail)
