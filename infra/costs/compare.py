"""Two estimates side by side: by category, with what makes the difference."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from infra.costs.estimate import Estimate

DRIVERS = 8


@dataclass(frozen=True, kw_only=True)
class Driver:
    """A category, its two sums, and the lines on either side that weigh most."""

    category: str
    left: Decimal
    right: Decimal
    left_lines: tuple[str, ...]
    right_lines: tuple[str, ...]

    @property
    def difference(self) -> Decimal:
        """Right less left, a month."""
        return self.right - self.left


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Left and right with the same usage; drivers by weight."""

    left: Estimate
    right: Estimate
    drivers: tuple[Driver, ...]

    def to_dict(self) -> dict[str, Any]:
        """As JSON shows it."""
        return {
            "left": self.left.to_dict(),
            "right": self.right.to_dict(),
            "drivers": [
                {
                    "category": driver.category,
                    "left": str(driver.left),
                    "right": str(driver.right),
                    "difference": str(driver.difference),
                    "leftLines": list(driver.left_lines),
                    "rightLines": list(driver.right_lines),
                }
                for driver in self.drivers
            ],
        }


def compare(left: Estimate, right: Estimate) -> Comparison:
    """The two, and the categories that make the difference, the heaviest first."""
    sums = left.by_category(), right.by_category()
    drivers = [
        Driver(
            category=category,
            left=sums[0].get(category, Decimal(0)),
            right=sums[1].get(category, Decimal(0)),
            left_lines=_heaviest(left, category),
            right_lines=_heaviest(right, category),
        )
        for category in dict.fromkeys([*sums[0], *sums[1]])
    ]
    drivers.sort(key=lambda driver: (-abs(driver.difference), driver.category))
    return Comparison(left=left, right=right, drivers=tuple(driver for driver in drivers if driver.difference))


def changes(before: Estimate, after: Estimate) -> list[tuple[str, str, Decimal, Decimal]]:
    """Resource, item, monthly before and after, for each line whose amount changed."""
    old = {(line.resource, line.item): line.monthly for line in before.lines}
    new = {(line.resource, line.item): line.monthly for line in after.lines}
    return [
        (resource, item, old.get((resource, item), Decimal(0)), new.get((resource, item), Decimal(0)))
        for resource, item in sorted(old.keys() | new.keys())
        if old.get((resource, item), Decimal(0)) != new.get((resource, item), Decimal(0))
    ]


def _heaviest(estimate: Estimate, category: str) -> tuple[str, ...]:
    lines = sorted(
        (line for line in estimate.lines if line.category == category and line.monthly),
        key=lambda line: (-line.monthly, line.resource, line.item),
    )
    return tuple(f"{line.resource}: {line.item} {line.monthly}" for line in lines[:3])
