"""The estimates that are kept with a graph: one for each usage profile, by the prices of the day."""

from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from infra.costs import StackGraph
from infra.costs.errors import CostError
from infra.costs.estimate import Estimate, estimate
from infra.costs.items import Stack
from infra.costs.usage import PROFILES, Usage


@dataclass(frozen=True)
class Kept:
    """Rows of `cost_estimates`, or why there are none."""

    rows: list[dict[str, Any]]
    error: str | None = None


def environment_of(graph: StackGraph) -> str:
    """production, staging or development, as the graph's own labels say; empty where they do not."""
    try:
        return Stack.of(graph).environment
    except (KeyError, TypeError, ValueError, AttributeError):
        return ""


def estimate_for_keeping(graph: StackGraph, *, deployment_id: UUID, today: date) -> Kept:
    """A graph that cannot be priced is worth keeping too: what was deployed was deployed."""
    try:
        made = [(usage, estimate(graph, usage=usage, today=today)) for usage in PROFILES]
    except CostError as error:
        return Kept([], f"{error.code}: {error}"[:2000])
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        # Inputs of another form than this program's own.
        return Kept([], f"not_priceable: the graph's inputs are not of the form that is priced here ({error!r})"[:2000])
    return Kept([_row(deployment_id, usage, one) for usage, one in made])


def reprice(graph: StackGraph, usage: Usage, *, today: date) -> Estimate:
    """By today's prices and any usage. Raises CostError."""
    return estimate(graph, usage=usage, today=today)


def _row(deployment_id: UUID, usage: str, made: Estimate) -> dict[str, Any]:
    document = made.to_dict()
    return {
        "deployment_id": str(deployment_id),
        "usage": usage,
        "region": made.region,
        "currency": made.currency,
        "monthly": document["monthly"],
        "by_category": {category: str(amount) for category, amount in made.by_category().items()},
        "lines": document["lines"],
        "warnings": document["warnings"],
    }
