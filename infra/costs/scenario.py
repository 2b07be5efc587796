"""Other people's estimates, as they stand in their texts, beside ours of the same: with the lines between the two.

A scenario (scenarios/NAME.yaml) says what a text counts, which configuration of which stack is the same, and how much
it is used. Each line of our estimate belongs to one item of the text or to one group that the text leaves out, so that
the differences add up to the gap.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from infra.costs.errors import CostError
from infra.costs.estimate import Estimate, Line
from infra.costs.usage import PROFILES, Usage

PLACE = Path(__file__).parent / "scenarios"
LEFT_OUT: Sequence[tuple[str, tuple[str, ...]]] = (
    ("NAT", ("nat/",)),
    ("public IPv4 addresses", ("ipv4/",)),
    ("private endpoints", ("endpoint/",)),
    ("data to the internet", ("egress/",)),
    ("data in and out of the load balancer", ("lb/data/",)),
    ("data between zones", ("transfer/between-zones/",)),
    ("web application firewall", ("waf/", "armor/")),
    ("container and application metrics", ("cloudwatch/metric/", "monitoring/")),
    ("alarms, dashboards and logs", ("cloudwatch/", "logging/")),
    ("checks from outside, DNS", ("route53/", "dns/")),
    ("secrets and keys", ("secretsmanager/", "secretmanager/", "kms/")),
    ("images and their scans", ("ecr/", "artifactregistry/")),
    ("backups and their copies", ("backup/", "rds/", "cloudsql/", "elasticache/backup/", "efs/", "transfer/")),
)
"""What texts leave out, by the prices of ours; the rest goes by its category."""

Amount = Annotated[Decimal, Field(ge=0)]


class InvalidScenario(CostError):
    """A scenario's file is wrong; the text says where."""

    code = "invalid_scenario"


class UnknownScenario(CostError):
    """There is no scenario of this name."""

    code = "unknown_scenario"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Range(_Part):
    """A text's figure, USD a month; one figure is both ends."""

    low: Amount
    high: Amount

    @property
    def middle(self) -> Decimal:
        """Half way."""
        return (self.low + self.high) / 2


class TextItem(Range):
    """A line of a text's estimate, and which of our prices are the same."""

    what: str
    prices: Sequence[str]
    why: str


class Scenario(_Part):
    """One text's estimate, and the stack that is the same."""

    name: str
    title: str
    source: str
    total: Range
    items: Sequence[TextItem]
    stack: str
    config: Mapping[str, Any]
    usage: Mapping[str, Any]

    @property
    def settings(self) -> dict[str, str]:
        """The configuration as `pulumi config set` takes it."""
        return {key: value if isinstance(value, str) else json.dumps(value) for key, value in self.config.items()}

    @property
    def profile(self) -> Usage:
        """The usage, over the ordinary one."""
        return Usage.model_validate({**PROFILES["base"].model_dump(by_alias=True), **self.usage})


@dataclass(frozen=True, kw_only=True)
class Between:
    """One line between the two figures."""

    what: str
    theirs: Decimal
    ours: Decimal
    why: str

    @property
    def difference(self) -> Decimal:
        """Ours less theirs."""
        return self.ours - self.theirs


@dataclass(frozen=True, kw_only=True)
class Explained:
    """A scenario priced: their figure, ours, and the lines between."""

    scenario: Scenario
    estimate: Estimate
    lines: Sequence[Between]

    @property
    def theirs(self) -> Decimal:
        """The middle of the text's range."""
        return self.scenario.total.middle

    @property
    def gap(self) -> Decimal:
        """Ours less theirs: what the lines add up to."""
        return self.estimate.monthly - self.theirs

    def to_dict(self) -> dict[str, Any]:
        """As JSON shows it."""
        total = self.scenario.total
        return {
            "name": self.scenario.name,
            "title": self.scenario.title,
            "source": self.scenario.source,
            "cloud": self.estimate.cloud,
            "currency": self.estimate.currency,
            "theirs": str(self.theirs),
            "theirsLow": str(total.low),
            "theirsHigh": str(total.high),
            "ours": str(self.estimate.monthly),
            "gap": str(self.gap),
            "lines": [
                {
                    "what": line.what,
                    "theirs": str(line.theirs),
                    "ours": str(line.ours),
                    "difference": str(line.difference),
                    "why": line.why,
                }
                for line in self.lines
            ],
        }


def names() -> list[str]:
    """Of all scenarios."""
    return sorted(path.stem for path in PLACE.glob("*.yaml"))


def scenario(name: str) -> Scenario:
    """One by its name. Raises UnknownScenario, InvalidScenario."""
    if name not in names():
        raise UnknownScenario(f"there is no scenario {name!r}: there are {', '.join(names())}")
    return read(PLACE.joinpath(f"{name}.yaml").read_text(encoding="utf-8"), name=name)


def read(text: str, *, name: str) -> Scenario:
    """A scenario's text; its items add up to its total. Raises InvalidScenario."""
    try:
        found = Scenario.model_validate({"name": name, **yaml.safe_load(text)})
    except (yaml.YAMLError, TypeError, ValidationError) as error:
        raise InvalidScenario(f"{name}.yaml: {' '.join(str(error).split())}") from None
    for end in ("low", "high"):
        items = sum((getattr(item, end) for item in found.items), Decimal(0))
        if items != getattr(found.total, end):
            raise InvalidScenario(f"{name}.yaml: the items' {end} add up to {items}, its total is {found.total}")
    return found


def explain(found: Scenario, estimate: Estimate) -> Explained:
    """The lines between the two figures: each line of ours is in exactly one of them."""
    ours: dict[str, Decimal] = {item.what: Decimal(0) for item in found.items}
    for line in estimate.lines:
        if line.monthly:
            what = _place(found, line)
            ours[what] = ours.get(what, Decimal(0)) + line.monthly
    theirs = {item.what: item for item in found.items}
    lines = [
        Between(
            what=what,
            theirs=theirs[what].middle if what in theirs else Decimal(0),
            ours=amount,
            why=theirs[what].why if what in theirs else "not in the text",
        )
        for what, amount in ours.items()
    ]
    return Explained(scenario=found, estimate=estimate, lines=lines)


def _place(found: Scenario, line: Line) -> str:
    for item in found.items:
        if line.price.startswith(tuple(item.prices)):
            return item.what
    for what, prices in LEFT_OUT:
        if line.price.startswith(prices):
            return what
    return line.category
