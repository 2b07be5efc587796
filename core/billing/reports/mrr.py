"""Monthly recurring revenue: what customers pay a month, and how it moved."""

from collections import defaultdict
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.pricing.schemes.definitions import parse
from core.billing.pricing.schemes.rating import Measured, rate
from core.billing.reports import repository
from core.billing.reports.entries import Entry, Sums
from core.billing.reports.months import Month
from core.billing.reports.recurring import Course, Movement, Share, Turn, movements
from core.foundation.money import minor_to_micro

MOVEMENTS = ("new", "expansion", "reactivation", "contraction", "churn")
FIGURES = ("opening", *MOVEMENTS, "closing")


async def entries(
    session: AsyncSession, tenant_id: UUID, months: Sequence[Month], now: datetime
) -> AsyncGenerator[Entry]:
    """Per month: what each customer paid before and after it, and each change within."""
    moved = movements(await _courses(session, tenant_id))
    standing: dict[tuple[UUID, str], Movement] = {}
    place = 0
    for month in months:
        while place < len(moved) and moved[place].at < month.begin:
            _stand(standing, moved[place])
            place += 1
        for one in standing.values():
            yield _standing(month, "opening", one)
        while place < len(moved) and moved[place].at < month.end and moved[place].at <= now:
            yield _movement(month, moved[place])
            _stand(standing, moved[place])
            place += 1
        for one in standing.values():
            yield _standing(month, "closing", one)


async def sums(session: AsyncSession, tenant_id: UUID, months: Sequence[Month], now: datetime) -> Sums:
    """The sums of `entries`, without a row for each customer before and after each month."""
    found = Sums()
    moved = movements(await _courses(session, tenant_id))
    totals: defaultdict[str, _Total] = defaultdict(_Total)
    place = 0
    for month in months:
        while place < len(moved) and moved[place].at < month.begin:
            totals[moved[place].currency].move(moved[place])
            place += 1
        _put(found, month, "opening", totals)
        while place < len(moved) and moved[place].at < month.end and moved[place].at <= now:
            found.add(_movement(month, moved[place]))
            totals[moved[place].currency].move(moved[place])
            place += 1
        _put(found, month, "closing", totals)
    return found


@dataclass(slots=True)
class _Total:
    """What customers pay a month in a currency, in minor units, and how many they are."""

    amount_minor: int = 0
    customers: int = 0

    def move(self, moved: Movement) -> None:
        self.amount_minor += moved.after - moved.before
        self.customers += (moved.after != 0) - (moved.before != 0)


def _put(found: Sums, month: Month, figure: str, totals: Mapping[str, _Total]) -> None:
    for currency, total in totals.items():
        amount_micro = minor_to_micro(total.amount_minor, currency)
        found.put(month, figure, currency, amount_micro=amount_micro, customers=total.customers)


def _stand(standing: dict[tuple[UUID, str], Movement], moved: Movement) -> None:
    standing.pop((moved.customer_id, moved.currency), None)
    if moved.after:
        standing[moved.customer_id, moved.currency] = moved


async def _courses(session: AsyncSession, tenant_id: UUID) -> list[Course]:
    shares: defaultdict[UUID, list[Share]] = defaultdict(list)
    rated: dict[tuple[UUID, Decimal], int] = {}
    parts = {row.id: row for row in await repository.list_parts(session, tenant_id)}
    async for row in repository.stream_shares(session, tenant_id):
        price, part = (row.component_id, row.quantity), parts[row.component_id]
        if price not in rated:
            rated[price] = rate(parse(part.definition), Measured(row.quantity), currency=part.currency).amount_minor
        shares[row.subscription_id].append(
            Share(row.effective_from, row.effective_to, rated[price], part.interval, part.interval_count)
        )
    courses: list[Course] = []
    turns: list[Turn] = []
    last: UUID | None = None
    async for row in repository.stream_turns(session, tenant_id):
        subscription_id: UUID = row.subscription_id
        if subscription_id != last:
            last, turns = subscription_id, []
            courses.append(Course(subscription_id, row.customer_id, row.currency, turns, shares[subscription_id]))
        turns.append(Turn(row.occurred_at, row.state))
    return courses


def _standing(month: Month, figure: str, moved: Movement) -> Entry:
    return Entry(
        month=month,
        figure=figure,
        currency=moved.currency,
        amount_micro=minor_to_micro(moved.after, moved.currency),
        at=moved.at,
        what="since its last change",
        customer_id=moved.customer_id,
        subscription_id=moved.subscription_id,
    )


def _movement(month: Month, moved: Movement) -> Entry:
    return Entry(
        month=month,
        figure=moved.kind,
        currency=moved.currency,
        amount_micro=minor_to_micro(moved.after - moved.before, moved.currency),
        at=moved.at,
        what=moved.kind,
        customer_id=moved.customer_id,
        subscription_id=moved.subscription_id,
    )
