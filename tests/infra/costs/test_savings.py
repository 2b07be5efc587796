"""Savings worked out by hand, and held to what the estimate says once they are taken."""

import json
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from functools import cache as remember
from typing import Any

import pytest

from infra.costs.estimate import estimate
from infra.costs.items import Stack
from infra.costs.prices import price_list
from infra.costs.reshaping import IDEAS, LEAST_LOG_DAYS, Reshaped
from infra.costs.savings import Proposal, Savings, proposals, savings
from infra.costs.usage import PROFILES
from infra.graph import Graph
from infra.policies.judging import judge
from infra.recording.program import record
from tests.infra.costs.toy import cache, cloud_sql, database, graph, resource, tasks
from tests.infra.recorded import recorded

TODAY = date(2026, 11, 21)


def _proposal(made: Savings | list[Proposal], name: str) -> Proposal:
    (found,) = [one for one in (made.proposals if isinstance(made, Savings) else made) if one.name == name]
    return found


def _reasons(made: Savings) -> dict[str, str]:
    return {reason.name: reason.text for reason in made.declined}


@pytest.mark.parametrize(
    ("name", "saved"),
    [
        # 730 hours at 0.336 are 245.28: at 70 % 171.696, at 37 % 90.7536, at 80 % 196.224.
        ("reserved-database-1", "73.58"),
        ("reserved-database-3", "154.53"),
        ("savings-plan-database-1", "49.06"),
        # 2 x 730 x 0.065 are 94.90: at 68 % 64.532, at 45 % 42.705.
        ("reserved-cache-1", "30.37"),
        ("reserved-cache-3", "52.19"),
        # 2 x 730 x 0.04048 are 59.10, 2 x 730 x 2 x 0.004445 12.98: at 80 % 47.28 and 10.38, at half 29.55 and 6.49.
        ("savings-plan-compute-1", "14.42"),
        ("savings-plan-compute-3", "36.04"),
        # Valkey: 2 x 730 x 0.052 are 75.92 instead of 94.90.
        ("valkey", "18.98"),
        # ARM: 2 x 730 x 0.03238 are 47.27 and 2 x 730 x 2 x 0.00356 10.40, instead of 59.10 and 12.98.
        ("arm", "14.41"),
        # 3.09 GB filled by 30 % are 0.93 GB, for which 1.37 GB suffice up to 80 %: t4g.small at 0.032, 46.72.
        ("smaller-cache", "48.18"),
    ],
)
def test_a_saving_on_aws_holds_to_the_cent(name: str, saved: str) -> None:
    made = proposals(graph("aws", database(), cache(), *tasks()), today=TODAY)

    found = _proposal(made, name)

    assert found.monthly_saving == Decimal(saved)
    assert sum(before - after for *_, before, after in found.lines) == found.monthly_saving
    assert found.trade_off
    assert found.how
    assert found.source


@pytest.mark.parametrize(
    ("name", "saved"),
    [
        # 120.60 and 81.76 at 75 %: 90.45 and 61.32; at 48 %: 57.888 and 39.2448.
        ("commitment-cloudsql-1", "50.59"),
        ("commitment-cloudsql-3", "105.23"),
        # 2 vCPU busy by 35 % fit 1 up to 70 %; 8 GiB filled by 60 % fit 6 up to 80 %: 60.30 and 61.32.
        ("smaller-database", "80.74"),
        # 5 GB of the second tier, 730 x 5 x 0.054 are 197.10: at 80 % 157.68, at 60 % 118.26.
        ("commitment-memorystore-1", "39.42"),
        ("commitment-memorystore-3", "78.84"),
    ],
)
def test_a_saving_on_google_cloud_holds_to_the_cent(name: str, saved: str) -> None:
    redis = resource("gcp:redis/instance:Instance", "redis", memorySizeGb=5, tier="STANDARD_HA")

    found = _proposal(proposals(graph("gcp", cloud_sql(), redis), today=TODAY), name)

    assert found.monthly_saving == Decimal(saved)


def test_a_commitment_covers_a_quiet_month_and_no_more() -> None:
    """Least 2 tasks, on average 3.2: of 94.56 a month, 59.10 are committed, at 80 % 47.28; the rest stays."""
    bounds = resource(
        "aws:appautoscaling/target:Target",
        "t",
        resourceId="service/c/${c-api-service.name}",
        minCapacity=2,
        maxCapacity=10,
    )

    found = _proposal(proposals(graph("aws", *tasks(), bounds), today=TODAY), "savings-plan-compute-1")

    assert ("c-api-service", "Fargate vCPU", Decimal("94.56"), Decimal("82.74")) in found.lines


def test_redis_below_5_gb_has_no_commitment_and_what_sleeps_none_either() -> None:
    redis = resource("gcp:redis/instance:Instance", "redis", memorySizeGb=4, tier="STANDARD_HA")
    assert _reasons(savings(graph("gcp", redis), today=TODAY))["commitment-memorystore-1"] == (
        "the stack has nothing that it covers"
    )
    reasons = _reasons(savings(recorded("staging"), today=TODAY))
    assert reasons["reserved-database-1"].startswith("what it covers is stopped at night")


def test_what_is_taken_already_is_not_proposed_and_says_so() -> None:
    made = savings(recorded("staging"), today=TODAY)

    assert not {"spot", "valkey", "off-hours", "one-nat", "no-endpoints"} & {one.name for one in made.proposals}
    reasons = _reasons(made)
    assert reasons["spot"] == "taken already: release.spot is true"
    assert reasons["off-hours"] == "taken already: switches.offHours is true"
    assert "production would lose instances" in _reasons(savings(recorded("prod"), today=TODAY))["spot"]


@pytest.mark.parametrize("stack", ["prod", "prod-gcp", "dev", "dev-gcp"])
def test_every_proposal_saves_something_and_its_lines_add_up(stack: str) -> None:
    made = savings(recorded(stack), today=TODAY)

    assert made.proposals
    for one in made.proposals:
        assert one.monthly_saving > 0, one.name
        assert sum(before - after for *_, before, after in one.lines) == one.monthly_saving, one.name
        assert one.monthly_before == made.estimate.monthly
    assert [one.monthly_saving for one in made.proposals] == sorted(
        (one.monthly_saving for one in made.proposals), reverse=True
    )


@remember
def _variant(stack: str, **config: str) -> Graph:
    return record(stack, config={f"cloudbill:{key}": text for key, text in config.items()})


@pytest.mark.parametrize(
    ("stack", "before", "name", "taken"),
    [
        ("prod", {}, "arm", {"release": {"architecture": "arm64"}}),
        ("prod", {}, "one-nat", {"network": {"natPerZone": False}}),
        ("prod", {}, "smaller-cache", {"cache": {"node": "cache.t4g.small"}}),
        ("dev", {}, "off-hours", {"switches": {"offHours": True}}),
        ("dev-gcp", {}, "off-hours", {"switches": {"offHours": True}}),
        ("staging", {"release": {"spot": False}}, "spot", {"release": {"spot": True}}),
        (
            "staging-gcp",
            {},
            "valkey",
            {"cache": {"engine": "valkey", "version": "8.0", "node": "SHARED_CORE_NANO", "highlyAvailable": False}},
        ),
    ],
)
def test_a_proposal_is_what_the_estimate_says_once_it_is_taken(
    stack: str, before: Mapping[str, Any], name: str, taken: Mapping[str, Any]
) -> None:
    """The program itself, with the key set that the proposal names, costs what the proposal says."""
    now = _variant(stack, **{key: json.dumps(value) for key, value in before.items()}) if before else recorded(stack)
    after = _variant(stack, **{key: json.dumps(value) for key, value in taken.items()})

    found = _proposal(proposals(now, today=TODAY), name)

    assert found.monthly_after == estimate(after, today=TODAY).monthly
    assert all(key in found.how for key in taken)


@pytest.mark.parametrize("stack", ["prod", "prod-gcp", "dev", "staging"])
def test_a_proposal_that_the_rules_refuse_names_them(stack: str) -> None:
    """Every changed graph is held to the rules: what it breaks beyond the stack as it is, the proposal says."""
    whole = recorded(stack)
    own = Stack.of(whole)
    usual = {rule.name for rule, _ in judge(whole, on=TODAY).violations}
    for idea in IDEAS:
        for found in idea(own, PROFILES["base"], price_list(whole.cloud, own.region)):
            if (
                isinstance(found, Reshaped) and found.name != "valkey"
            ):  # another type, of which the graph has the price only
                broken = {rule.name for rule, _ in judge(found.graph, on=TODAY).violations} - usual
                assert {name for name in broken if not name.startswith("program.")} == set(found.breaks), found.name


def test_the_least_days_of_logs_are_those_of_the_rules() -> None:
    assert LEAST_LOG_DAYS == {"production": 90, "staging": 30, "development": 7}
    group = resource("aws:cloudwatch/logGroup:LogGroup", "l", retentionInDays=365)

    found = _proposal(proposals(graph("aws", group, environment="production"), today=TODAY), "log-days")

    # 40 GB, compressed to 15 %, kept 365 or 90 days at 0.03: 2.19 and 0.54.
    assert found.monthly_saving == Decimal("1.65")
    assert found.how == "cloudbill:logDays: 90"
