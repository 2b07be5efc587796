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

    @property
    def basis(self) -> dict[str, str]:
        """What is the same on both sides, so that like is compared with like: the usage, in its own units."""
        if self.left.usage is None or self.left.usage != self.right.usage:
            return {}
        return {key: format(value, "f") for key, value in self.left.usage.model_dump(by_alias=True).items()}

    def to_dict(self) -> dict[str, Any]:
        """As JSON shows it."""
        return {
            "left": self.left.to_dict(),
            "right": self.right.to_dict(),
            "basis": self.basis,
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
    """What weighs most: the same thing of several resources is one."""
    sums: dict[str, list[Decimal]] = {}
    for line in estimate.lines:
        if line.category == category and line.monthly:
            sums.setdefault(line.item, []).append(line.monthly)
    heaviest = sorted(sums.items(), key=lambda found: (-sum(found[1]), found[0]))[:3]
    return tuple(
        f"{item} {sum(amounts)}" + (f" ({len(amounts)} resources)" if len(amounts) > 1 else "")
        for item, amounts in heaviest
    )
