"""Calendar months in UTC, by the tenant's clock."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from core.foundation.errors import InvalidInput

MOST = 36
_WRITTEN = re.compile(r"(\d{4})-(\d{2})")


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """A month, half-open from `begin` until before `end`."""

    year: int
    number: int

    @property
    def begin(self) -> datetime:
        """Its first instant."""
        return datetime(self.year, self.number, 1, tzinfo=UTC)

    @property
    def end(self) -> datetime:
        """The next one's first instant."""
        return self.after(1).begin

    def after(self, months: int) -> "Month":
        """So many months later; earlier where negative."""
        whole = self.year * 12 + self.number - 1 + months
        return Month(whole // 12, whole % 12 + 1)

    def __str__(self) -> str:
        return f"{self.year:04}-{self.number:02}"


def month_of(at: datetime) -> Month:
    """The month that an instant lies in."""
    at = at.astimezone(UTC)
    return Month(at.year, at.month)


def read_month(written: str | None, field: str, *, now: datetime) -> Month:
    """`2026-01`; the month of `now` for None. Raises InvalidInput for what is none, or has not begun."""
    current = month_of(now)
    if written is None:
        return current
    found = _WRITTEN.fullmatch(written)
    if found is None or not 1 <= int(found[2]) <= 12 or int(found[1]) < 1970:
        raise InvalidInput(field, "must be a month such as 2026-01")
    month = Month(int(found[1]), int(found[2]))
    if month > current:
        raise InvalidInput(field, f"must not be after the tenant's current month, {current}")
    return month


def read_months(first: str | None, last: str | None, *, now: datetime) -> list[Month]:
    """Every month of `first` to `last`; without `first` the last alone. Raises InvalidInput."""
    until = read_month(last, "to", now=now)
    since = until if first is None else read_month(first, "from", now=now)
    months = (until.year - since.year) * 12 + until.number - since.number + 1
    if not 1 <= months <= MOST:
        raise InvalidInput("from", f"must not be after to, and by less than {MOST} months before it")
    return [since.after(place) for place in range(months)]
