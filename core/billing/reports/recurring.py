"""What a customer pays a month, over time. Pure.

A subscription counts from its first payable instant (a trial does not count) until it ends; while it is paused or
waits for its first payment it does not, while a payment is overdue it does. A part counts with its price at its
quantity, brought to a month: a year is twelve months, a quarter three, a week 7 and a day 1 of 365/12 days.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from functools import lru_cache
from uuid import UUID

from core.foundation.money import round_to_whole

MONTHS = {
    "day": Fraction(12, 365),
    "week": Fraction(84, 365),
    "month": Fraction(1),
    "quarter": Fraction(3),
    "year": Fraction(12),
}
COUNTING = ("active", "past_due")


@dataclass(frozen=True, slots=True)
class Turn:
    """A subscription's state from an instant on."""

    at: datetime
    state: str


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a plan as it was taken: what a period of it costs in minor units, half-open in time."""

    since: datetime
    until: datetime | None
    amount_minor: int
    interval: str
    interval_count: int

    @property
    def monthly(self) -> Fraction:
        """In minor units, exact."""
        return _monthly(self.amount_minor, self.interval, self.interval_count)


@dataclass(frozen=True, slots=True)
class Course:
    """A subscription over time."""

    id: UUID
    customer_id: UUID
    currency: str
    turns: Sequence[Turn]
    shares: Sequence[Share]

    def steps(self) -> Iterator[tuple[datetime, int]]:
        """When what it comes to a month changes, and to what in minor units: rounded once, half up."""
        if len(self.turns) == len(self.shares) == 1:
            yield from self._only_step(self.turns[0], self.shares[0])
            return
        ends = (share.until for share in self.shares if share.until is not None)
        instants = sorted({turn.at for turn in self.turns} | {share.since for share in self.shares} | set(ends))
        turns, place, state, last = sorted(self.turns, key=lambda turn: turn.at), 0, "", 0
        for at in instants:
            while place < len(turns) and turns[place].at <= at:
                state, place = turns[place].state, place + 1
            value = self._at(at) if state in COUNTING else 0
            if value != last:
                yield at, value
                last = value

    def _only_step(self, turn: Turn, share: Share) -> Iterator[tuple[datetime, int]]:
        """What most subscriptions are: one state, one part."""
        begin = max(turn.at, share.since)
        value = _rounded((share.monthly,)) if turn.state in COUNTING else 0
        if value and (share.until is None or begin < share.until):
            yield begin, value
            if share.until is not None:
                yield share.until, 0

    def _at(self, at: datetime) -> int:
        held = [share for share in self.shares if share.since <= at and (share.until is None or at < share.until)]
        return _rounded(tuple([share.monthly for share in held]))


@lru_cache(maxsize=4096)
def _monthly(amount_minor: int, interval: str, interval_count: int) -> Fraction:
    return Fraction(amount_minor) / (MONTHS[interval] * interval_count)


@lru_cache(maxsize=4096)
def _rounded(shares: tuple[Fraction, ...]) -> int:
    return round_to_whole(sum(shares, Fraction(0)))


@dataclass(frozen=True, slots=True)
class Movement:
    """What a customer pays a month changed, by `subscription_id`."""

    at: datetime
    customer_id: UUID
    currency: str
    subscription_id: UUID
    before: int
    after: int
    kind: str


def movements(courses: Iterable[Course]) -> list[Movement]:
    """Every change of what a customer pays a month in a currency, the earliest first.

    new: the first time that it pays; reactivation: again, after nothing; churn: nothing from here on; expansion and
    contraction: more or less. Changes of one instant are one movement.
    """
    changes: defaultdict[tuple[UUID, str], list[tuple[datetime, int, UUID]]] = defaultdict(list)
    for course in courses:
        last = 0
        for at, value in course.steps():
            changes[course.customer_id, course.currency].append((at, value - last, course.id))
            last = value
    found: list[Movement] = []
    for (customer_id, currency), rows in changes.items():
        rows.sort(key=lambda row: (row[0], row[2].int))
        paid, has_paid, place = 0, False, 0
        while place < len(rows):
            at, _, subscription_id = rows[place]
            before = paid
            while place < len(rows) and rows[place][0] == at:
                paid += rows[place][1]
                place += 1
            if paid != before:
                kind = _kind(before, paid, has_paid=has_paid)
                found.append(Movement(at, customer_id, currency, subscription_id, before, paid, kind))
                has_paid = True
    return sorted(found, key=lambda one: (one.at, one.customer_id.int, one.currency))


def _kind(before: int, after: int, *, has_paid: bool) -> str:
    if before == 0:
        return "reactivation" if has_paid else "new"
    if after == 0:
        return "churn"
    return "expansion" if after > before else "contraction"
