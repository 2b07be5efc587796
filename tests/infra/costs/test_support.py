"""What an old engine version costs, from when, and who upgrades it by force."""

from datetime import date
from decimal import Decimal

import pytest

from infra.costs.estimate import estimate
from infra.costs.support import extended_support
from infra.graph import Resource
from tests.infra.costs.toy import cache, cloud_sql, database, graph
from tests.infra.recorded import recorded

TODAY = date(2026, 11, 21)


@pytest.mark.parametrize(
    ("cloud", "resource", "on", "monthly"),
    [
        # 2 vCPU in two zones, 730 hours: 2,920 vCPU-hours at 0.10, in the third year at 0.20.
        ("aws", database(engineVersion="13.14"), "2026-11-21", "292.00"),
        ("aws", database(engineVersion="11"), "2026-11-21", "584.00"),
        ("aws", database(engineVersion="13", multiAz=False), "2026-11-21", "146.00"),
        ("aws", database(engineVersion="13"), "2028-03-01", "584.00"),
        ("gcp", cloud_sql(version="POSTGRES_9_6"), "2026-11-21", "292.00"),
        ("gcp", cloud_sql(version="POSTGRES_13"), "2026-11-21", "292.00"),
        # Two nodes of 730 hours at 0.065 are 94.90, of which 80 % come on top, in the third year 160 %.
        ("aws", cache(engineVersion="5.0.6"), "2026-11-21", "75.92"),
        ("aws", cache(engineVersion="5.0.6"), "2028-02-01", "151.84"),
    ],
)
def test_a_version_past_its_date_is_a_line_of_the_estimate(
    cloud: str, resource: Resource, on: str, monthly: str
) -> None:
    priced = estimate(graph(cloud, resource), today=date.fromisoformat(on))

    (line,) = [line for line in priced.lines if line.item.startswith("extended support")]
    assert line.monthly == line.low == line.high == Decimal(monthly)
    (guard,) = priced.notices
    assert guard.charged
    assert "Upgrade to leave it out" in guard.notice


def test_a_version_within_a_year_of_its_date_is_a_notice_and_no_line() -> None:
    whole = graph("aws", database(engineVersion="14"))

    priced = estimate(whole, today=TODAY)

    assert not any("extended support" in line.item for line in priced.lines)
    (guard,) = priced.to_dict()["notices"]
    assert (guard["starts"], guard["monthly"], guard["monthlyLater"]) == ("2027-03-01", "292.00", "584.00")
    assert guard["notice"] == (
        "db runs PostgreSQL 14: extended support will cost 292.00 a month from 2027-03-01, from 2029-03-01 584.00, "
        "until 2030-02-28. Upgrade to leave it out"
    )
    assert extended_support(whole, date(2026, 2, 28)) == []  # a year and a day before


def test_redis_6_is_announced_and_valkey_and_redis_7_are_not() -> None:
    (guard,) = extended_support(graph("aws", cache(engineVersion="6.2")), TODAY)
    assert (guard.starts, guard.monthly) == (date(2027, 2, 1), Decimal("75.92"))
    assert extended_support(graph("aws", cache(engineVersion="7.1")), TODAY) == []
    assert extended_support(graph("aws", cache(engine="valkey", engineVersion="8.0")), TODAY) == []


def test_with_extended_support_off_the_upgrade_by_force_is_announced_instead() -> None:
    off = database(engineVersion="13", engineLifecycleSupport="open-source-rds-extended-support-disabled")

    priced = estimate(graph("aws", off), today=TODAY)

    assert not any("extended support" in line.item for line in priced.lines)
    (guard,) = priced.notices
    assert guard.upgraded
    assert not guard.charged
    assert "upgraded by force" in guard.notice


def test_production_is_told_of_its_version_a_year_before() -> None:
    for stack in ("prod", "prod-gcp"):
        assert extended_support(recorded(stack), TODAY) == []
    (guard,) = extended_support(recorded("prod-gcp"), date(2027, 2, 1))
    assert (guard.version, guard.starts) == ("15", date(2028, 2, 1))
    (guard,) = extended_support(recorded("prod"), date(2027, 3, 1))
    assert guard.upgraded  # extended support is off there
