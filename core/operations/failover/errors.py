"""What goes wrong with standbys and failovers. Each says what to do.

FailoverError
├── NotReady            failover_not_ready            a check of the plan does not hold; nothing was changed
├── PrimaryNotFenced    failover_primary_not_fenced   the old primary can neither be asked nor be cut off
├── NotCaughtUp         failover_not_caught_up        the standby lacks what the primary has; the primary serves again
├── UnderWay            failover_under_way            another one has begun, or runs now
├── NothingToGoBackTo   failover_nothing_to_go_back   there was no failover, or its old server is gone
├── StandbyFailed       standby_failed                it could not be made
├── UnknownStandby      standby_unknown               none of that name
└── NoStandbysHere      standby_not_here              the database is not the embedded one
"""

from core.foundation.errors import CloudBillError


class FailoverError(CloudBillError):
    """Base."""

    code = "failover_error"


class NotReady(FailoverError):
    """Nothing was changed."""

    code = "failover_not_ready"


class PrimaryNotFenced(FailoverError):
    """Going on could make two primaries."""

    code = "failover_primary_not_fenced"


class NotCaughtUp(FailoverError):
    """What was acknowledged would be lost."""

    code = "failover_not_caught_up"


class UnderWay(FailoverError):
    """One at a time."""

    code = "failover_under_way"


class NothingToGoBackTo(FailoverError):
    """No way back."""

    code = "failover_nothing_to_go_back"


class StandbyFailed(FailoverError):
    """What was there before still is."""

    code = "standby_failed"


class UnknownStandby(FailoverError):
    """No such server."""

    status = 404
    code = "standby_unknown"


class NoStandbysHere(FailoverError):
    """Another server's standbys are its own business."""

    code = "standby_not_here"
