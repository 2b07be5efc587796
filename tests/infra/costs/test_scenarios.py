"""Other estimates beside ours: the texts' own figures, and lines that add up to the gap."""

from datetime import date
from decimal import Decimal

import pytest

from infra.costs.estimate import estimate
from infra.costs.scenario import Explained, InvalidScenario, UnknownScenario, explain, names, read, scenario
from infra.recording.program import record

TODAY = date(2026, 11, 21)


def _explained(name: str) -> Explained:
    found = scenario(name)
    graph = record(found.stack, config={f"cloudbill:{key}": value for key, value in found.settings.items()})
    return explain(found, estimate(graph, usage=found.profile, today=TODAY))


@pytest.mark.parametrize(
    ("name", "low", "high", "ours"),
    [
        # 730 x 0.1445 and 100 GB at 0.23; 1,460 x 0.068; 900 GB at 0.09; 4 tasks of 730 hours, and 2 hours of a fifth.
        (
            "billing-aws",
            "505",
            "505",
            {
                "RDS PostgreSQL (db.t3.medium, 100 GB, two zones)": "128.49",
                "ElastiCache Redis (cache.t3.medium, 2 nodes)": "99.28",
                "Data transfer (1 TB)": "81.00",
                "ECS Fargate (2 to 10 tasks, 4 on average)": "144.26",
            },
        ),
        # 1,460 x 0.0826, 7.5 x 730 x 0.014 and 100 GB at 0.34; 2,920 x 0.064; 730 x 0.025; 1,000 GB at 0.12.
        (
            "billing-gcp",
            "648",
            "648",
            {
                "Cloud SQL (db-custom-2-7680, highly available)": "231.25",
                "Memorystore Redis (4 GB, highly available)": "186.88",
                "Load balancer": "18.25",
                "data to the internet": "120.00",
            },
        ),
        # 730 x 0.45 and 23.00; 550 GB at 0.09.
        ("payments-production", "725", "925", {"RDS (r6g.large, two zones)": "351.50", "Data transfer": "49.50"}),
        # 730 x 0.072 and 100 GB at 0.115; 730 x 0.068.
        ("payments-staging", "255", "355", {"RDS (t3.medium)": "64.06", "ElastiCache": "49.64"}),
    ],
)
def test_the_lines_between_the_text_and_ours_add_up_to_the_gap(
    name: str, low: str, high: str, ours: dict[str, str]
) -> None:
    explained = _explained(name)

    total = explained.scenario.total
    assert (total.low, total.high) == (Decimal(low), Decimal(high))
    assert sum(line.difference for line in explained.lines) == explained.gap
    assert sum(line.ours for line in explained.lines) == explained.estimate.monthly
    assert sum(line.theirs for line in explained.lines) == (Decimal(low) + Decimal(high)) / 2
    by_name = {line.what: line for line in explained.lines}
    assert {what: str(by_name[what].ours) for what in ours} == ours
    assert {"NAT", "web application firewall", "secrets and keys"} <= {
        line.what for line in explained.lines if line.theirs == 0
    }
    assert all(line.why for line in explained.lines)


def test_there_is_one_for_each_estimate_of_the_texts() -> None:
    assert names() == ["billing-aws", "billing-gcp", "payments-production", "payments-staging"]
    with pytest.raises(UnknownScenario, match="there is no scenario 'x': there are billing-aws, billing-gcp"):
        scenario("x")


def test_items_that_do_not_add_up_are_refused() -> None:
    text = """
title: t
source: s
total: {low: 10, high: 20}
items: [{what: a, low: 10, high: 10, prices: [x], why: w}]
stack: prod
config: {}
usage: {}
"""
    with pytest.raises(InvalidScenario, match=r"x\.yaml: the items' high add up to 10"):
        read(text, name="x")
    with pytest.raises(InvalidScenario, match="prices"):
        read(text.replace("prices: [x], ", ""), name="x")
