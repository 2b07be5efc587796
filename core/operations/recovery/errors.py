"""What goes wrong when recovery is tried.

DrillError
├── CopyDoesNotServe    copy_does_not_serve    the application does not start against the copy
├── CopyContradicts     copy_contradicts       its ledger is not a beginning of the one that was signed
├── RunStopped          run_stopped            whoever ran it was told to stop
└── NothingToDrill      nothing_to_drill       there is no backup, or the log is not streamed
"""

from core.foundation.errors import CloudBillError


class DrillError(CloudBillError):
    """Base."""

    code = "drill_error"


class CopyDoesNotServe(DrillError):
    """The copy is there, and the application does not run on it."""

    code = "copy_does_not_serve"


class CopyContradicts(DrillError):
    """Putting it in place would contradict the signed heads."""

    code = "copy_contradicts"


class RunStopped(DrillError):
    """It ended before it was done; nothing of it is left."""

    code = "run_stopped"


class NothingToDrill(DrillError):
    """A drill needs what it is to prove."""

    code = "nothing_to_drill"
