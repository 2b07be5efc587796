"""Every statement on estimates: read as the operator."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import Row, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession


async def list_newest(session: AsyncSession, usage: str) -> Sequence[Row[Any]]:
    """Each stack's newest deployment that did not fail, with its estimates but their lines; by stack."""
    return (await session.execute(_ALL, {"usage": usage})).all()


async def find_newest(session: AsyncSession, stack: str, usage: str) -> Row[Any] | None:
    """The same of one stack, with the lines."""
    return (await session.execute(_LINES, {"stack": stack, "usage": usage})).one_or_none()


async def list_graphs(session: AsyncSession, stacks: Sequence[str] | None) -> Sequence[Row[Any]]:
    """id, stack, cloud, environment, recorded_at, graph of each stack's newest, or of these stacks'."""
    return (await session.execute(_GRAPHS, {"stacks": None if stacks is None else list(stacks)})).all()


async def store_actual(session: AsyncSession, costs: dict[str, Any]) -> None:
    """Keeps an imported bill. As the application."""
    await session.execute(_STORE_ACTUAL, {"costs": costs})


async def list_months(session: AsyncSession, stack: str) -> list[date]:
    """The months that were imported, newest first."""
    found = await session.execute(
        text("SELECT DISTINCT month FROM actual_costs WHERE stack = :stack ORDER BY month DESC"), {"stack": stack}
    )
    return list(found.scalars())


async def find_actual(session: AsyncSession, stack: str, month: date) -> Row[Any] | None:
    """source, lines, imported_at of the month's newest import."""
    return (await session.execute(_ACTUAL, {"stack": stack, "month": month})).one_or_none()


_STORE_ACTUAL = text("SELECT store_actual_costs(:costs)").bindparams(bindparam("costs", type_=JSONB))
_ACTUAL = text("""
SELECT source, lines, imported_at FROM actual_costs WHERE stack = :stack AND month = :month ORDER BY id DESC LIMIT 1
""")
_NEWEST = """
SELECT DISTINCT ON (stack) * FROM deployments
WHERE outcome IN ('succeeded', 'recorded') AND (CAST(:stack AS text) IS NULL OR stack = :stack)
ORDER BY stack, id DESC
"""
_COLUMNS = """
d.id, d.stack, d.cloud, d.environment, d.recorded_at, d.estimate_error, e.region, e.currency, e.monthly,
e.by_category, e.warnings, l.monthly AS low, h.monthly AS high
"""
_JOINED = """
LEFT JOIN cost_estimates e ON e.deployment_id = d.id AND e.usage = :usage
LEFT JOIN cost_estimates l ON l.deployment_id = d.id AND l.usage = 'small'
LEFT JOIN cost_estimates h ON h.deployment_id = d.id AND h.usage = 'large'
"""
_ALL = text(
    f"WITH d AS ({_NEWEST}) SELECT {_COLUMNS} FROM d {_JOINED} ORDER BY d.stack"  # noqa: S608 - our own texts
).bindparams(stack=None)
_LINES = text(f"WITH d AS ({_NEWEST}) SELECT {_COLUMNS}, e.lines FROM d {_JOINED}")  # noqa: S608 - likewise
_GRAPHS = text("""
SELECT DISTINCT ON (stack) id, stack, cloud, environment, recorded_at, graph FROM deployments
WHERE outcome IN ('succeeded', 'recorded') AND (CAST(:stacks AS text[]) IS NULL OR stack = ANY(:stacks))
ORDER BY stack, id DESC
""")
