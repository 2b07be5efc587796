"""How a tenant's run makes invoices: what goes on one, whether credits pay it, and the bounds it may not pass."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.invoices.errors import BoundPassed

Grouping = Literal["subscription", "customer"]
_MONTH = timedelta(days=31)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """`one_invoice_per`: what is due at one instant goes on one invoice a subscription, or on one a customer.

    `applies_credits`: what is in the wallet pays what is to pay. The rest are the safety bounds: lines of a
    subscription on one day, months that a line may reach ahead, how many times the largest invoice of the customer's
    last year an invoice may be, and the amount up to which that is not asked.
    """

    one_invoice_per: Grouping = "subscription"
    applies_credits: bool = True
    lines_a_day: int = 1_000
    months_ahead: int = 37
    times_history: int = 20
    free_below_minor: int = 1_000_000


DEFAULTS = Rules()


async def rules_of(session: AsyncSession, tenant_id: UUID) -> Rules:
    """The tenant's rules, or the defaults."""
    row = (await session.execute(_FIND, {"tenant": tenant_id})).mappings().one_or_none()
    return DEFAULTS if row is None else Rules(**row)


async def put_rules(session: AsyncSession, rules: Rules, *, tenant_id: UUID, now: datetime) -> None:
    """Replaces them."""
    await session.execute(
        _PUT,
        {
            "tenant": tenant_id,
            "per": rules.one_invoice_per,
            "credits": rules.applies_credits,
            "lines": rules.lines_a_day,
            "months": rules.months_ahead,
            "times": rules.times_history,
            "free": rules.free_below_minor,
            "now": now,
        },
    )


def check_bounds(
    rules: Rules,
    *,
    lines: int,
    lines_today: int,
    period_ends: Sequence[datetime],
    total_minor: int,
    largest_minor: int | None,
    now: datetime,
) -> None:
    """Raises BoundPassed. `lines` and `lines_today` leave one-off lines out: somebody wrote those.

    `largest_minor` is the largest invoice of the customer in this currency in the last year, None without any.
    """
    if lines + lines_today > rules.lines_a_day:
        raise BoundPassed(
            "lines_a_day",
            f"{lines + lines_today} lines of one subscription on one day, and {rules.lines_a_day} are the most",
        )
    horizon = now + rules.months_ahead * _MONTH
    if late := [end for end in period_ends if end > horizon]:
        raise BoundPassed(
            "months_ahead", f"a line reaches to {max(late).date()}, more than {rules.months_ahead} months ahead"
        )
    if (
        largest_minor is not None
        and total_minor > rules.free_below_minor
        and total_minor > rules.times_history * largest_minor
    ):
        raise BoundPassed(
            "times_history",
            f"comes to {total_minor}, more than {rules.times_history} times the customer's largest invoice of the "
            f"last year ({largest_minor})",
        )


_FIND = text("""
SELECT one_invoice_per, applies_credits, lines_a_day, months_ahead, times_history, free_below_minor
FROM invoicing_rules WHERE tenant_id = :tenant
""")

_PUT = text("""
INSERT INTO invoicing_rules
    (tenant_id, one_invoice_per, applies_credits, lines_a_day, months_ahead, times_history, free_below_minor,
     changed_at)
VALUES (:tenant, :per, :credits, :lines, :months, :times, :free, :now)
ON CONFLICT (tenant_id) DO UPDATE SET one_invoice_per = :per, applies_credits = :credits, lines_a_day = :lines,
    months_ahead = :months, times_history = :times, free_below_minor = :free, changed_at = :now
""")
