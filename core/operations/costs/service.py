"""Costs of the stored stacks: as they were estimated, or priced anew for another usage.

Pricing takes 20 to 30 ms of CPU a stack, so it runs beside the event loop.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from core.foundation.errors import CloudBillError, NotFound
from core.operations.costs import repository
from core.operations.costs.estimating import reprice
from core.operations.deployments.repository import unpack
from infra.costs import StackGraph
from infra.costs.compare import Comparison, compare
from infra.costs.errors import CostError
from infra.costs.estimate import Estimate
from infra.costs.savings import Savings, savings
from infra.costs.usage import PROFILES, Usage


class StackNotStored(NotFound):
    """No graph of that stack was ever stored."""

    code = "stack_not_stored"
    title = "Nothing is known of this stack"

    def __init__(self, stack: str) -> None:
        super().__init__(f"No graph of {stack} is stored: cloudbill deployments record {stack} stores one.")


class NotPriceable(CloudBillError):
    """The stored graph cannot be priced."""

    status = 409
    code = "not_priceable"
    title = "The stack cannot be priced"


@dataclass(frozen=True)
class Stored:
    """A stack's newest graph."""

    deployment_id: UUID
    environment: str
    recorded_at: datetime
    graph: StackGraph


@dataclass(frozen=True)
class Repriced:
    """The same with an estimate of today."""

    stored: Stored
    estimate: Estimate


def usage_of(given: Mapping[str, float | None]) -> Usage:
    """`base`, with the fields that are given (by their Python names)."""
    changed = {name: Decimal(str(value)) for name, value in given.items() if value is not None}
    return Usage.model_validate({**PROFILES["base"].model_dump(), **changed})


def profiles() -> dict[str, dict[str, float]]:
    """The usage profiles by name and field, in camelCase."""
    return {
        name: {field: float(value) for field, value in profile.model_dump(by_alias=True).items()}
        for name, profile in PROFILES.items()
    }


async def find_graphs(session: AsyncSession, stacks: Sequence[str] | None) -> list[Stored]:
    """In the order asked for, or all by name. Raises StackNotStored."""
    rows = {row.stack: row for row in await repository.list_graphs(session, stacks)}
    for stack in stacks or ():
        if stack not in rows:
            raise StackNotStored(stack)
    return [
        Stored(row.id, row.environment, row.recorded_at, unpack(row.graph))
        for row in (rows[name] for name in (stacks or sorted(rows)))
    ]


async def price(stored: Stored, usage: Usage, *, today: date) -> Repriced:
    """By today's prices. Raises NotPriceable."""
    return await asyncio.to_thread(_price, stored, usage, today)


async def save(stored: Stored, usage: Usage, *, today: date) -> Savings:
    """What could be saved. Raises NotPriceable."""
    await price(stored, usage, today=today)
    return await asyncio.to_thread(savings, stored.graph, usage, today=today)


async def compare_stacks(session: AsyncSession, left: str, right: str, usage: Usage, *, today: date) -> Any:
    """Both with the same usage, and the comparison. Raises StackNotStored, NotPriceable."""
    wanted = [left] if left == right else [left, right]
    graphs = await find_graphs(session, wanted)
    priced = [await price(graphs[0], usage, today=today), await price(graphs[-1], usage, today=today)]
    comparison: Comparison = compare(priced[0].estimate, priced[1].estimate)
    return priced[0], priced[1], comparison


def _price(stored: Stored, usage: Usage, today: date) -> Repriced:
    try:
        return Repriced(stored, reprice(stored.graph, usage, today=today))
    except CostError as error:
        raise NotPriceable(f"{stored.graph.stack}: {error}") from None
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError):
        raise NotPriceable(
            f"{stored.graph.stack}: its graph's inputs are not of the form that is priced here"
        ) from None
