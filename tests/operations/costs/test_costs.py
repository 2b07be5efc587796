"""What the stored stacks cost: as estimated, for another usage, side by side."""

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from core.operations.costs.schemas import UsageBody
from infra.costs import read_graph
from infra.costs.estimate import estimate
from infra.costs.usage import Usage
from tests.support.callers import Caller
from tests.support.deployed import deployment_of, graph_of
from tests.support.furnished import made

STACKS = ("dev", "dev-gcp")


@pytest.fixture
async def stored(operator: Caller) -> Caller:
    """An operator of an installation that has both clouds' development stacks."""
    for stack in STACKS:
        await made(operator.post("/operations/deployments", deployment_of(stack)))
    return operator


async def test_each_stack_costs_what_the_command_says(stored: Caller) -> None:
    today = datetime.now(UTC).date()
    body = await made(stored.get("/operations/costs"))
    assert [row["stack"] for row in body["data"]] == ["dev", "dev-gcp"]
    assert [row["cloud"] for row in body["data"]] == ["aws", "gcp"]
    for row in body["data"]:
        expected = estimate(read_graph(json.dumps(graph_of(row["stack"]))), today=today)
        assert (row["low"], row["monthly"], row["high"]) == (
            str(expected.low),
            str(expected.monthly),
            str(expected.high),
        )
        lines = (await made(stored.get(f"/operations/costs/{row['stack']}")))["lines"]
        assert lines == expected.to_dict()["lines"]
        assert sum(Decimal(line["monthly"]) for line in lines) == Decimal(row["monthly"])
        assert all(line["source"] and line["date"] for line in lines)


async def test_a_busy_months_costs_are_those_of_its_profile(stored: Caller) -> None:
    base = {row["stack"]: row for row in (await made(stored.get("/operations/costs")))["data"]}
    large = {row["stack"]: row for row in (await made(stored.get("/operations/costs", usage="large")))["data"]}
    for stack in STACKS:
        assert large[stack]["monthly"] == base[stack]["high"] == large[stack]["high"]
        assert large[stack]["usage"] == "large"
    assert (await stored.get("/operations/costs", usage="huge")).status_code == 422


async def test_sliders_price_anew_what_the_profiles_say(stored: Caller) -> None:
    profiles = await made(stored.get("/operations/costs/usage"))
    assert profiles["base"]["requests"] == 30_000_000
    kept = await made(stored.get("/operations/costs"))
    same = await made(stored.post("/operations/costs", {}))
    assert [row["monthly"] for row in same["data"]] == [row["monthly"] for row in kept["data"]]
    busy = await made(stored.post("/operations/costs", profiles["large"]))
    assert [row["monthly"] for row in busy["data"]] == [row["high"] for row in kept["data"]]

    more_out = await made(stored.post("/operations/costs/dev/estimate", {"gbOut": 1200}))
    base = await made(stored.get("/operations/costs/dev"))
    # 100 GB are free and 200 go out in an ordinary month; 1,000 more at 0.09.
    assert Decimal(more_out["byCategory"]["network"]) - Decimal(base["byCategory"]["network"]) == Decimal("90.00")
    assert more_out["usage"] == "custom"
    for wrong in ({"gbOut": -1}, {"load": 2}, {"cats": 3}, {"gbOut": "many"}):
        assert (await stored.post("/operations/costs/dev/estimate", wrong)).status_code == 422


async def test_two_stacks_stand_side_by_side(stored: Caller) -> None:
    body = await made(stored.get("/operations/costs/compare", left="dev", right="dev-gcp"))
    assert (body["left"]["stack"], body["right"]["stack"]) == ("dev", "dev-gcp")
    difference = Decimal(body["right"]["monthly"]) - Decimal(body["left"]["monthly"])
    assert Decimal(body["difference"]) == difference
    assert sum(Decimal(driver["difference"]) for driver in body["drivers"]) == difference
    same = await made(stored.get("/operations/costs/compare", left="dev", right="dev"))
    assert (same["difference"], same["drivers"]) == ("0.00", [])


async def test_savings_are_priced_and_say_what_they_take(stored: Caller) -> None:
    for stack in STACKS:
        body = await made(stored.get(f"/operations/costs/{stack}/savings"))
        kept = await made(stored.get(f"/operations/costs/{stack}"))
        assert body["monthly"] == kept["monthly"]
        assert body["proposals"] or body["declined"]
        amounts = [Decimal(proposal["monthlySaving"]) for proposal in body["proposals"]]
        assert amounts == sorted(amounts, reverse=True)
        for proposal in body["proposals"]:
            assert all((proposal["tradeOff"], proposal["how"], proposal["source"])), proposal["name"]
            saving = Decimal(proposal["monthlyBefore"]) - Decimal(proposal["monthlyAfter"])
            assert saving == Decimal(proposal["monthlySaving"]) > 0


async def test_a_stack_that_was_never_stored_names_the_way_out(stored: Caller) -> None:
    for path in ("/operations/costs/prod", "/operations/costs/compare?left=dev&right=prod"):
        answer = await stored.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "stack_not_stored")
        assert "cloudbill deployments record prod" in answer.json()["detail"]
    answer = await stored.post("/operations/costs/prod/estimate", {})
    assert answer.status_code == 404


async def test_a_failed_deployments_graph_is_not_what_is_paid_for(stored: Caller) -> None:
    before = await made(stored.get("/operations/costs"))
    failed = deployment_of("dev", kind="deployed", outcome="failed")
    failed["graph"] = {**failed["graph"], "resources": failed["graph"]["resources"][:20]}
    await made(stored.post("/operations/deployments", failed))
    assert await made(stored.get("/operations/costs")) == before


async def test_finance_reads_costs_and_tenants_do_not(
    stored: Caller, make_operator: Callable[..., Awaitable[Caller]], tenant: Caller
) -> None:
    finance = await make_operator("finance")
    assert json.dumps(await made(finance.get("/operations/costs"))) == json.dumps(
        await made(stored.get("/operations/costs"))
    )
    assert (await finance.post("/operations/costs", {})).status_code == 200
    assert (await tenant.get("/operations/costs")).status_code == 403
    assert (await tenant.post("/operations/costs", {})).status_code == 403


def test_every_part_of_the_usage_can_be_said() -> None:
    assert set(UsageBody.model_fields) == set(Usage.model_fields)


def charge(service: str, usage: str, cost: str, **changes: str) -> dict[str, str]:
    return {
        "cloud": "aws",
        "service": service,
        "usage": usage,
        "cost": cost,
        "currency": "USD",
        "start": "2026-10-01T00:00:00Z",
        "end": "2026-11-01T00:00:00Z",
        "charge": "usage",
        **changes,
    }


async def test_a_months_bill_stands_beside_the_estimate(
    stored: Caller, make_operator: Callable[..., Awaitable[Caller]]
) -> None:
    nothing = await made(stored.get("/operations/costs/dev/actual"))
    assert (nothing["month"], nothing["months"], nothing["lines"]) == (None, [], [])
    bill = {
        "month": "2026-10",
        "source": "october.csv",
        "lines": [
            charge("AmazonEC2", "NatGateway-Hours", "90.00"),
            charge("AmazonRDS", "Multi-AZUsage:db.t4g.medium", "12.34"),
            charge("AWS", "Tax", "20.00", charge="tax"),
        ],
    }
    kept = await made(stored.post("/operations/costs/dev/actual", bill))
    assert kept["month"] == "2026-10"
    assert kept["alerts"] != []
    body = await made(stored.get("/operations/costs/dev/actual"))
    assert (body["month"], body["months"], body["source"], body["billed"]) == (
        "2026-10",
        ["2026-10"],
        "october.csv",
        "122.34",
    )
    assert (body["total"]["actual"], body["apart"]) == ("102.34", {"tax": "20.00"})
    base = await made(stored.get("/operations/costs/dev"))
    assert Decimal(body["total"]["estimated"]) <= Decimal(base["monthly"])
    assert body["total"]["alert"] is True

    missing = await stored.get("/operations/costs/dev/actual", month="2026-09")
    assert (missing.status_code, missing.json()["code"]) == (404, "month_not_imported")
    wrong_month = {**bill, "month": "2026-08"}
    refused = await stored.post("/operations/costs/dev/actual", wrong_month)
    assert (refused.status_code, refused.json()["code"]) == (422, "unusable_bill")
    other_cloud = await stored.post("/operations/costs/dev-gcp/actual", bill)
    assert other_cloud.status_code == 422
    finance = await make_operator("finance")
    assert (await finance.get("/operations/costs/dev/actual")).status_code == 200
    assert (await finance.post("/operations/costs/dev/actual", bill)).status_code == 403
