"""Moving a test tenant's clock: step by step to each instant at which something is due, doing it there.

Every step is a transaction of its own that moves the clock and does what is due at that instant. So a crash leaves the
clock at an instant where everything is done, and the same call again goes on from there.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.clocks.errors import NotATestTenant, TestClockBackwards
from core.billing.credits.holding import HoldExpiry
from core.billing.credits.lots.due import CreditsExpired
from core.billing.dunning.due import CollectionsDue
from core.billing.invoices.due import InvoicesDrafted, InvoicesFinalized
from core.billing.invoices.late_usage.due import LateUsageCorrected
from core.billing.payments.charges.outside import ChargesMade
from core.billing.payments.topping.due import TopUpsMade, WalletsWatched
from core.billing.subscriptions.due import SubscriptionsDue
from core.foundation.clock import tenant_now
from core.foundation.database import Database
from core.foundation.due import DueWork, register, register_outside, registered, registered_outside
from core.foundation.errors import InvalidInput
from core.foundation.settings import Settings

# Rooms before this one; those after it register their own.
register(HoldExpiry())
register(CreditsExpired())
register(SubscriptionsDue())
register(LateUsageCorrected())
register(InvoicesDrafted())
register(InvoicesFinalized())
register(CollectionsDue())
register(WalletsWatched())
register_outside(ChargesMade())
register_outside(TopUpsMade())

LONGEST_MOVE = timedelta(days=731)
"""Two years: more than that in one call is more likely a mistake than a test."""

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class NoProgress(Exception):
    """A kind of work says that something is due and does nothing about it: a mistake of ours."""


@dataclass(frozen=True, slots=True)
class Moved:
    """Where the clock stands, and what was done on the way, counted by kind of work."""

    now: datetime
    drained: dict[str, int]


async def find_clock(session: AsyncSession, tenant_id: UUID) -> datetime | None:
    """The clock of a test tenant, or None for one that lives on the wall clock."""
    return await session.scalar(text("SELECT now_at FROM tenant_clocks WHERE tenant_id = :t"), {"t": tenant_id})


async def move(database: Database, *, tenant_id: UUID, to: datetime, settings: Settings | None = None) -> Moved:
    """Moves the clock to `to` and returns when everything due until then is done, in transactions of its own.

    With `settings`, what a step has begun at the payment provider is done before the next one; without, it is left to
    the worker. Raises NotATestTenant, TestClockBackwards, and InvalidInput for a move of more than LONGEST_MOVE; and
    what the provider refuses: the clock then stands at that step, and the same call goes on.
    """
    work = registered()
    drained = Counter({kind.name: 0 for kind in work})
    is_first_step = True
    while True:
        if settings is not None:
            for kind in registered_outside():
                drained[kind.name] += await kind.run(database, settings, tenant_id=tenant_id)
        async with database.tenant(tenant_id) as session:
            now = await _lock(session, tenant_id)
            if is_first_step:
                _check_move(now, to)
                is_first_step = False
            due_at = await _next_due(session, tenant_id, work)
            if due_at is None or due_at > max(to, now):
                await _set(session, tenant_id, max(to, now))
                return Moved(max(to, now), dict(drained))
            # Something overdue is done now: the clock does not go back for it.
            now = max(due_at, now)
            await _set(session, tenant_id, now)
            drained += await _run(session, tenant_id, work, now)


async def drain(database: Database, *, tenant_id: UUID, wall_now: datetime) -> dict[str, int]:
    """Does what is due by the tenant's clock, `wall_now` where it has none; counted by kind of work."""
    work = registered()
    drained = Counter({kind.name: 0 for kind in work})
    while True:
        async with database.tenant(tenant_id) as session:
            now = await find_clock(session, tenant_id) or wall_now
            due_at = await _next_due(session, tenant_id, work)
            if due_at is None or due_at > now:
                return dict(drained)
            drained += await _run(session, tenant_id, work, now)


async def drain_all(database: Database, *, wall_now: datetime) -> int:
    """Does what is due for every tenant and says how much; one that fails is logged and does not hold up the others."""
    async with database.reading() as session:
        due = {tenant for kind in registered() for tenant in await kind.tenants_due(session, now=wall_now)}
    done = 0
    for tenant_id in sorted(due):
        try:
            done += sum((await drain(database, tenant_id=tenant_id, wall_now=wall_now)).values())
        except Exception:
            _log.exception("clocks.drain_failed", tenant_id=str(tenant_id))
    return done


async def current(session: AsyncSession, tenant_id: UUID) -> tuple[datetime, bool]:
    """The tenant's time, and whether it is a clock that can be moved."""
    clock = await find_clock(session, tenant_id)
    return (clock, True) if clock else (await tenant_now(session, tenant_id), False)


def _check_move(now: datetime, to: datetime) -> None:
    if to < now:
        raise TestClockBackwards(now)
    if to - now > LONGEST_MOVE:
        raise InvalidInput("now", f"must be at most {LONGEST_MOVE.days} days after the clock's {now.isoformat()}")


async def _lock(session: AsyncSession, tenant_id: UUID) -> datetime:
    # The row's lock makes two moves of one tenant take turns, step by step; other tenants do not meet it.
    now = await session.scalar(
        text("SELECT now_at FROM tenant_clocks WHERE tenant_id = :t FOR UPDATE"), {"t": tenant_id}
    )
    if now is None:
        raise NotATestTenant
    return now


async def _set(session: AsyncSession, tenant_id: UUID, now: datetime) -> None:
    await session.execute(
        text("UPDATE tenant_clocks SET now_at = :now WHERE tenant_id = :t AND now_at < :now"),
        {"t": tenant_id, "now": now},
    )


async def _next_due(session: AsyncSession, tenant_id: UUID, work: Sequence[DueWork]) -> datetime | None:
    instants = [at for kind in work if (at := await kind.next_due(session, tenant_id)) is not None]
    return min(instants, default=None)


async def _run(session: AsyncSession, tenant_id: UUID, work: Sequence[DueWork], now: datetime) -> Counter[str]:
    done: Counter[str] = Counter()
    for kind in work:
        due_at = await kind.next_due(session, tenant_id)
        if due_at is not None and due_at <= now:
            done[kind.name] += await kind.run(session, tenant_id=tenant_id, now=now)
    if not done.total() and ((left := await _next_due(session, tenant_id, work)) is not None and left <= now):
        raise NoProgress(f"work of tenant {tenant_id} is due at {now.isoformat()} and nothing was done")
    return done
