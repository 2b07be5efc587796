"""Bodies of the test clock."""

from core.foundation.schemas import Answer, Body, Instant, InstantInput


class ClockMove(Body):
    """Where to move the clock."""

    now: InstantInput


class ClockAnswer(Answer):
    """What time it is for the tenant. `is_test`: the clock can be moved; otherwise it is the wall clock."""

    now: Instant
    is_test: bool


class ClockMoved(Answer):
    """Where the clock stands, and how much was done on the way, by kind of work (`holdsExpired`)."""

    now: Instant
    drained: dict[str, int]
