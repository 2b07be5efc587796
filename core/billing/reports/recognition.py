"""When revenue counts. Pure: evenly, second by second, over the time that a line is for."""

from datetime import datetime, timedelta
from fractions import Fraction
from functools import lru_cache

from core.foundation.money import round_to_whole


def recognized(net_minor: int, start: datetime | None, end: datetime | None, *, at: datetime) -> int:
    """What of a line's net amount counts by an instant; a line without a period counts at once.

    Rounded half up on the running sum, so that all of it is counted at the period's end and never a unit more or less.
    """
    if start is None or end is None or at >= end:
        return net_minor
    if at <= start:
        return 0
    return _share(net_minor, (at - start) // _TICK, (end - start) // _TICK)


@lru_cache(maxsize=16_384)
def _share(net_minor: int, part: int, whole: int) -> int:
    # Many lines are of one price and time.
    return round_to_whole(net_minor * Fraction(part, whole))


_TICK = timedelta(microseconds=1)
