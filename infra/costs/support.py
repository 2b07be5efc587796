"""What an engine version will cost once the cloud's ordinary support of it has ended, and from when.

Dates are the clouds' own calendars; the charge is a price of the snapshot. A version within a year of its date is a
notice; one past it is a line of the estimate. RDS with `engineLifecycleSupport` off charges nothing: it upgrades the
database by itself on that day, which is said instead.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from infra.costs.items import HOURS, Category, Item, Stack, fixed
from infra.costs.prices import PriceList, price_list
from infra.costs.sizes import database_size
from infra.graph import Graph, Resource

RDS = "aws:rds/instance:Instance"
CLOUD_SQL = "gcp:sql/databaseInstance:DatabaseInstance"
ELASTICACHE = "aws:elasticache/replicationGroup:ReplicationGroup"
NOTICE_MONTHS = 12
CENT = Decimal("0.01")


@dataclass(frozen=True)
class Period:
    """When a version's extended support is charged: from a day, dearer from another, and not offered after a third."""

    starts: date
    dearer: date | None
    ends: date


RDS_SOURCE = "docs.aws.amazon.com/AmazonRDS: release calendars of PostgreSQL, looked up 2026-07-28"
RDS_POSTGRESQL: Mapping[str, Period] = {
    "11": Period(date(2024, 4, 1), date(2026, 4, 1), date(2027, 3, 31)),
    "12": Period(date(2025, 3, 1), date(2027, 3, 1), date(2028, 2, 29)),
    "13": Period(date(2026, 3, 1), date(2028, 3, 1), date(2029, 2, 28)),
    "14": Period(date(2027, 3, 1), date(2029, 3, 1), date(2030, 2, 28)),
    "15": Period(date(2028, 3, 1), date(2030, 3, 1), date(2031, 2, 28)),
    "16": Period(date(2029, 3, 1), date(2031, 3, 1), date(2032, 2, 29)),
    "17": Period(date(2030, 3, 1), date(2032, 3, 1), date(2033, 2, 28)),
}
CLOUD_SQL_SOURCE = "cloud.google.com/sql/docs/postgres/db-versions, looked up 2025-09"
CLOUD_SQL_POSTGRESQL: Mapping[str, Period] = {
    # In support since 1 February 2025, charged since 1 May (release notes of that day).
    **{version: Period(date(2025, 5, 1), date(2027, 2, 1), date(2028, 2, 1)) for version in ("9_6", "10", "11", "12")},
    "13": Period(date(2026, 2, 1), date(2028, 2, 1), date(2029, 2, 1)),
    "14": Period(date(2027, 2, 1), date(2029, 2, 1), date(2030, 2, 1)),
    "15": Period(date(2028, 2, 1), date(2030, 2, 1), date(2031, 2, 1)),
    "16": Period(date(2029, 2, 1), date(2031, 2, 1), date(2032, 2, 1)),
    "17": Period(date(2030, 2, 1), date(2032, 2, 1), date(2033, 2, 1)),
}
ELASTICACHE_SOURCE = "docs.aws.amazon.com/AmazonElastiCache: extended-support-versions, looked up 2026-04"
ELASTICACHE_REDIS: Mapping[str, Period] = {
    **{version: Period(date(2026, 2, 1), date(2028, 2, 1), date(2029, 1, 31)) for version in ("4", "5")},
    "6": Period(date(2027, 2, 1), date(2029, 2, 1), date(2030, 1, 31)),
}


@dataclass(frozen=True, kw_only=True)
class Guard:
    """A version that is, or will soon be, charged for its age."""

    resource: str
    engine: str
    version: str
    starts: date
    dearer: date | None
    ends: date
    monthly: Decimal
    """From `starts`."""
    monthly_later: Decimal | None
    """From `dearer`."""
    charged: bool
    """Whether it is charged now."""
    upgraded: bool
    """Whether the cloud upgrades it by itself on that day instead of charging."""
    source: str
    price_source: str

    @property
    def notice(self) -> str:
        """One sentence."""
        what = f"{self.resource} runs {self.engine} {self.version}"
        if self.upgraded:
            return (
                f"{what}: its ordinary support ends before {self.starts}, when it is upgraded by force, since extended "
                f"support is off; on, it would be {self.monthly} a month. Upgrade before"
            )
        later = f", from {self.dearer} {self.monthly_later}" if self.monthly_later is not None else ""
        verb = "costs" if self.charged else "will cost"
        return (
            f"{what}: extended support {verb} {self.monthly} a month from {self.starts}{later}, until {self.ends}. "
            "Upgrade to leave it out"
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON shows it."""
        return {
            "resource": self.resource,
            "engine": self.engine,
            "version": self.version,
            "starts": self.starts.isoformat(),
            "dearer": self.dearer.isoformat() if self.dearer else None,
            "ends": self.ends.isoformat(),
            "monthly": str(self.monthly),
            "monthlyLater": None if self.monthly_later is None else str(self.monthly_later),
            "charged": self.charged,
            "upgraded": self.upgraded,
            "source": self.source,
            "priceSource": self.price_source,
            "notice": self.notice,
        }


@dataclass(frozen=True, kw_only=True)
class _Aged:
    resource: Resource
    engine: str
    version: str
    period: Period
    product: str
    units: Decimal
    """A month, of the price `PRODUCT/extended-support/…`."""
    note: str
    source: str
    opted_out: bool = False


def extended_support(graph: Graph, today: date, *, lists: Mapping[str, PriceList] | None = None) -> list[Guard]:
    """Versions that are charged already or will be within a year. Raises CostError where a price is missing."""
    stack = Stack.of(graph)
    guards: list[Guard] = []
    for one in _aged(stack):
        if one.period.starts > _months_after(today, NOTICE_MONTHS):
            continue
        region = stack.region_of(one.resource)
        prices = (lists or {}).get(region) or price_list(graph.cloud, region)
        first, later = (prices.get(f"{one.product}/extended-support/{year}") for year in ("year-1", "year-3"))
        guards.append(
            Guard(
                resource=one.resource.name,
                engine=one.engine,
                version=one.version.replace("_", "."),
                starts=one.period.starts,
                dearer=one.period.dearer,
                ends=one.period.ends,
                monthly=_rounded(one.units * first.unit_price),
                monthly_later=_rounded(one.units * later.unit_price) if one.period.dearer else None,
                charged=one.period.starts <= today and not one.opted_out,
                upgraded=one.opted_out,
                source=one.source,
                price_source=first.source,
            )
        )
    return guards


def charges(resource: Resource, stack: Stack, today: date) -> Iterable[Item]:
    """Lines of what is charged for the resource's version today."""
    for one in _aged(stack):
        if one.resource is resource and one.period.starts <= today and not one.opted_out:
            year = "year-3" if one.period.dearer and one.period.dearer <= today else "year-1"
            category = Category.CACHE if resource.type == ELASTICACHE else Category.DATABASE
            yield fixed(
                f"extended support of {one.engine} {one.version.replace('_', '.')}",
                category,
                f"{one.product}/extended-support/{year}",
                one.units,
                f"{one.note}since {one.period.starts}: upgrade to leave it out",
            )


def _aged(stack: Stack) -> Iterator[_Aged]:
    for resource in stack.graph.of_type(RDS, CLOUD_SQL, ELASTICACHE):
        try:
            made = {RDS: _rds, CLOUD_SQL: _cloud_sql, ELASTICACHE: _elasticache}[resource.type](resource, stack)
        except ValueError:
            continue  # an unknown class, which has no price either: the estimate names it
        if made is not None:
            yield made


def _rds(resource: Resource, stack: Stack) -> _Aged | None:
    main = stack.referred(resource.inputs.get("replicateSourceDb")) or resource
    given = main.inputs | resource.inputs
    version = _major(given.get("engineVersion"))
    period = RDS_POSTGRESQL.get(version)
    if period is None or given.get("engine", "postgres") != "postgres":
        return None
    vcpu, _ = database_size(str(given["instanceClass"]))
    zones = 2 if resource.inputs.get("multiAz") else 1
    return _Aged(
        resource=resource,
        engine="PostgreSQL",
        version=version,
        period=period,
        product="rds",
        units=vcpu * zones * stack.hours(resource),
        note="the standby counts; " if zones == 2 else "",
        source=RDS_SOURCE,
        opted_out=given.get("engineLifecycleSupport") == "open-source-rds-extended-support-disabled",
    )


def _cloud_sql(resource: Resource, stack: Stack) -> _Aged | None:
    found = re.fullmatch(r"POSTGRES_(\d+(?:_\d)?)", str(resource.inputs.get("databaseVersion", "")))
    period = CLOUD_SQL_POSTGRESQL.get(found[1]) if found else None
    if found is None or period is None:
        return None
    settings: Mapping[str, Any] = resource.inputs["settings"]
    vcpu, _ = database_size(str(settings["tier"]))
    zones = 2 if settings.get("availabilityType") == "REGIONAL" else 1
    return _Aged(
        resource=resource,
        engine="PostgreSQL",
        version=found[1],
        period=period,
        product="cloudsql",
        units=vcpu * zones * stack.hours(resource),
        note="the standby counts; " if zones == 2 else "",
        source=CLOUD_SQL_SOURCE,
    )


def _elasticache(resource: Resource, stack: Stack) -> _Aged | None:
    if resource.inputs.get("engine", "redis") != "redis":
        return None
    version = _major(resource.inputs.get("engineVersion"))
    period = ELASTICACHE_REDIS.get(version)
    if period is None:
        return None
    nodes = int(resource.inputs.get("numCacheClusters", 1))
    prices = price_list(stack.graph.cloud, stack.region_of(resource))
    node_hour = prices.get(f"elasticache/redis/{resource.inputs['nodeType']}").unit_price
    return _Aged(
        resource=resource,
        engine="Redis OSS",
        version=version,
        period=period,
        product="elasticache",
        units=nodes * HOURS * node_hour,
        note="a part of the nodes' list price; ",
        source=ELASTICACHE_SOURCE,
    )


def _major(version: object) -> str:
    return str(version or "").split(".")[0]


def _months_after(day: date, months: int) -> date:
    month = day.month - 1 + months
    year = day.year + month // 12
    return date(year, month % 12 + 1, min(day.day, 28))


def _rounded(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, ROUND_HALF_UP)
