"""Time zones, by their names in the IANA database."""

import zoneinfo
from functools import cache
from zoneinfo import ZoneInfo

from core.foundation.errors import InvalidInput


class TimeZoneUnknown(InvalidInput):
    """A name that is not in the IANA database."""

    code = "time_zone_unknown"
    title = "There is no such time zone"

    def __init__(self, name: str) -> None:
        super().__init__("timeZone", f"{name[:64]!r} is not an IANA time zone such as Europe/Berlin")


@cache
def find_zone(name: str) -> ZoneInfo:
    """An IANA zone. Raises TimeZoneUnknown."""
    if name not in _names():
        raise TimeZoneUnknown(name)
    return ZoneInfo(name)


@cache
def _names() -> frozenset[str]:
    # Its files, too, hold what is no zone (posixrules, localtime); these are the names alone.
    return frozenset(zoneinfo.available_timezones()) - {"localtime", "Factory"}
