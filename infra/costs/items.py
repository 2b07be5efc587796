"""What a resource may cost: the vocabulary of the models."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import Self

from infra.costs.sleep import awake
from infra.costs.usage import Usage
from infra.graph import Graph, Resource

HOURS = Decimal(730)
"""A month, as both clouds' price pages count it."""


class Category(StrEnum):
    """What finance groups by; the same on both clouds."""

    COMPUTE = "compute"
    DATABASE = "database"
    CACHE = "cache"
    EDGE = "load balancing"
    NETWORK = "network"
    FIREWALL = "firewall"
    SECRETS = "secrets and keys"
    STORAGE = "storage"
    BACKUP = "backup"
    LOGS = "logs"
    MONITORING = "monitoring"
    OVERSIGHT = "oversight"


class Kind(StrEnum):
    """How sure a line is."""

    FIXED = "fixed"
    """Owed whatever happens."""
    USAGE = "usage"
    """By the usage profile."""
    FREE = "free"
    """Costs nothing, and a source says so."""


Quantity = Callable[[Usage], Decimal]
"""Units a month."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing that a resource is billed for: a quantity of a price."""

    item: str
    category: Category
    price: str
    """The id of a price."""
    quantity: Quantity
    kind: Kind
    assumption: str = ""


@dataclass(frozen=True, slots=True)
class Free:
    """A resource that costs nothing by itself; `source` says who says so."""

    source: str


Model = Callable[[Resource, "Stack"], "Iterable[Item] | Free"]


@dataclass(frozen=True)
class Stack:
    """What a model may look at besides its own resource."""

    graph: Graph
    region: str
    environment: str

    @classmethod
    def of(cls, graph: Graph) -> Self:
        """Region and environment are those of the stack's own provider."""
        # The stack's own provider makes most of it; another one makes the copies in another region.
        made = Counter(resource.provider for resource in graph.resources if resource.custom and resource.provider)
        own = max(made, key=lambda urn: made[urn], default=None)
        main = next((resource for resource in graph.resources if resource.urn == own), None)
        inputs = main.inputs if main else {}
        marks = inputs.get("defaultTags") or inputs.get("defaultLabels") or "{}"
        marks = json.loads(marks) if isinstance(marks, str) else marks
        marks = marks.get("tags", marks)
        return cls(
            graph=graph,
            region=str(inputs.get("region", "")),
            environment=str(marks.get("environment", "")),
        )

    def hours(self, resource: Resource) -> Decimal:
        """That it is up in a month, by the schedules that stop and start it."""
        return HOURS * awake(self.graph, resource)

    @cached_property
    def _by_name(self) -> Mapping[str, Resource]:
        return {resource.name: resource for resource in self.graph.resources}

    @cached_property
    def _regions(self) -> Mapping[str, str]:
        return {
            resource.urn: str(resource.inputs["region"])
            for resource in self.graph.resources
            if resource.type.startswith("pulumi:providers:") and "region" in resource.inputs
        }

    def region_of(self, resource: Resource) -> str:
        """Where the resource is made: its own region, its provider's, or the stack's."""
        return str(resource.inputs.get("region") or self._regions.get(resource.provider or "") or self.region)

    def referred(self, value: object) -> Resource | None:
        """The resource that a text refers to by `${NAME.output}`."""
        found = re.search(r"\$\{([^.}]+)", str(value))
        return self._by_name.get(found[1]) if found else None

    def share(self, kind: str) -> Decimal:
        """One resource's part of what all of its type have in common."""
        return Decimal(1) / max(1, sum(1 for _ in self.graph.of_type(kind)))


def fixed(item: str, category: Category, price: str, quantity: Decimal | int, assumption: str = "") -> Item:
    """An item whose quantity the graph says."""
    units = Decimal(quantity)
    return Item(
        item=item, category=category, price=price, quantity=lambda _: units, kind=Kind.FIXED, assumption=assumption
    )


def used(item: str, category: Category, price: str, quantity: Quantity, assumption: str = "") -> Item:
    """An item whose quantity the usage profile says."""
    return Item(item=item, category=category, price=price, quantity=quantity, kind=Kind.USAGE, assumption=assumption)
