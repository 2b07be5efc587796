"""Deployments are kept once, with what they cost then, and never changed once they are over."""

from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
import pytest
from psycopg import errors

from core.operations.deployments.plain import SecretInOutputs, refuse_secrets
from tests.support.callers import Caller
from tests.support.deployed import deployment_of
from tests.support.furnished import made

Connection = psycopg.AsyncConnection[Any]


async def test_a_recorded_stack_is_kept_with_its_estimate(operator: Caller) -> None:
    body = deployment_of("dev")
    stored = await made(operator.post("/operations/deployments", body, key="dev-1"))
    assert (stored["estimateError"], stored["replayed"]) == (None, False)
    (row,) = (await made(operator.get("/operations/deployments", stack="dev")))["data"]
    assert (row["stack"], row["cloud"], row["environment"]) == ("dev", "aws", "development")
    assert (row["outcome"], row["revision"], row["policyRules"], row["policyViolations"]) == (
        "recorded",
        "982dd6b0",
        190,
        0,
    )
    assert float(row["low"]) < float(row["monthly"]) < float(row["high"])
    one = await made(operator.get(f"/operations/deployments/{stored['deploymentId']}"))
    assert one["outputs"]["apiUrl"] == body["graph"]["outputs"]["apiUrl"]
    assert one["steps"][0]["name"] == "record"
    assert sum(round(float(amount) * 100) for amount in one["byCategory"].values()) == round(
        float(row["monthly"]) * 100
    )


async def test_the_same_key_keeps_it_once(operator: Caller) -> None:
    body = deployment_of("dev")
    first = await made(operator.post("/operations/deployments", body, key="once"))
    again = await made(operator.post("/operations/deployments", body, key="once"))
    assert (again["deploymentId"], again["replayed"]) == (first["deploymentId"], True)
    other = await operator.post("/operations/deployments", {**body, "revision": "1234567"}, key="once")
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    assert len((await made(operator.get("/operations/deployments")))["data"]) == 1


async def test_what_changed_against_the_one_before_is_told(operator: Caller) -> None:
    before = deployment_of("dev")
    resources = [dict(one) for one in before["graph"]["resources"]]
    database = next(one for one in resources if one["type"] == "aws:rds/instance:Instance")
    database["inputs"] = {**database["inputs"], "instanceClass": "db.m7g.large"}
    gone = next(one for one in resources if one["type"] == "aws:cloudwatch/dashboard:Dashboard")
    resources.remove(gone)
    after = {**before, "graph": {**before["graph"], "resources": resources}}
    first = await made(operator.post("/operations/deployments", before))
    second = await made(operator.post("/operations/deployments", after))
    new = await made(operator.get(f"/operations/deployments/{first['deploymentId']}/changes"))
    assert (new["previousDeploymentId"], new["removed"], new["changed"]) == (None, [], [])
    assert len(new["added"]) == sum(one["custom"] for one in before["graph"]["resources"])

    changes = await made(operator.get(f"/operations/deployments/{second['deploymentId']}/changes"))
    assert changes["previousDeploymentId"] == first["deploymentId"]
    assert changes["removed"] == [{"name": gone["name"], "type": gone["type"]}]
    (changed,) = changes["changed"]
    assert changed["name"] == database["name"]
    ((key, is_now),) = [(one["key"], one["after"]) for one in changed["inputs"]]
    assert (key, is_now) == ("instanceClass", "db.m7g.large")
    assert changes["monthlyBefore"] != changes["monthlyAfter"]


async def test_a_running_deployment_is_ended_once(operator: Caller) -> None:
    running = deployment_of("dev", kind="deployed", outcome="running", finishedAt=None)
    stored = await made(operator.post("/operations/deployments", running))
    address = f"/operations/deployments/{stored['deploymentId']}"
    ending = {
        "outcome": "succeeded",
        "finishedAt": "2026-11-21T10:09:00Z",
        "version": "sha256:abc",
        "outputs": {"apiUrl": "https://api.example.com"},
        "steps": [{"name": "smoke", "state": "succeeded"}],
    }
    assert (await made(operator.patch(address, ending)))["outcome"] == "succeeded"
    one = await made(operator.get(address))
    assert (one["outcome"], one["version"], one["outputs"]) == (
        "succeeded",
        "sha256:abc",
        {"apiUrl": "https://api.example.com"},
    )
    assert one["policyRules"] == 190  # what is not said stays
    again = await operator.patch(address, {**ending, "outcome": "failed"})
    assert (again.status_code, again.json()["code"]) == (409, "deployment_over")
    nowhere = await operator.patch("/operations/deployments/019b76da-a800-7000-8000-00000000000a", ending)
    assert (nowhere.status_code, nowhere.json()["code"]) == (404, "deployment_not_found")


async def test_what_cannot_be_priced_is_kept_and_says_why(operator: Caller) -> None:
    body = deployment_of("dev")
    strange = {
        **body["graph"]["resources"][-1],
        "urn": "x",
        "name": "odd",
        "type": "aws:odd/thing:Thing",
        "custom": True,
    }
    body["graph"] = {**body["graph"], "resources": [*body["graph"]["resources"], strange]}
    stored = await made(operator.post("/operations/deployments", body))
    assert stored["estimateError"].startswith("unknown_resource: neither priced nor known to be free: odd")
    (row,) = (await made(operator.get("/operations/deployments")))["data"]
    assert row["monthly"] is None
    costs = await made(operator.get("/operations/costs"))
    assert (costs["data"], [one["stack"] for one in costs["unpriced"]]) == ([], ["dev"])
    refused = await operator.get("/operations/costs/dev")
    assert (refused.status_code, refused.json()["code"]) == (409, "not_priceable")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"stack": "prod"}, "graph.stack"),
        ({"cloud": "gcp"}, "graph.cloud"),
        ({"finishedAt": None}, "finishedAt"),
        ({"finishedAt": "2026-11-21T09:00:00Z"}, "finishedAt"),
        ({"outcome": "succeeded"}, "outcome"),
        ({"outcome": "running"}, "finishedAt"),
        ({"revision": "main"}, "revision"),
        ({"graph": {}}, "graph.stack"),
        ({"outputs": {"a": "\x00"}}, "outputs"),
        ({"surprise": 1}, "surprise"),
    ],
)
async def test_what_does_not_fit_is_refused_by_its_field(operator: Caller, changes: dict[str, Any], field: str) -> None:
    answer = await operator.post("/operations/deployments", deployment_of("dev", **changes))
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
    assert (await made(operator.get("/operations/deployments")))["data"] == []


@pytest.mark.parametrize(
    "outputs",
    [
        {"databasePassword": "hunter22"},
        {"url": "postgresql://owner:hunter22@db:5432/cloudbill"},
        {"stripe": {"live": "sk_live_0123456789"}},
        {"list": ["-----BEGIN RSA PRIVATE KEY-----"]},
        {"it": {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "value": "x"}},
        {"it": {"secret": True, "value": "x"}},
    ],
)
async def test_a_secret_among_the_outputs_is_refused_and_not_repeated(
    operator: Caller, outputs: dict[str, Any]
) -> None:
    answer = await operator.post("/operations/deployments", deployment_of("dev", outputs=outputs))
    assert (answer.status_code, answer.json()["code"]) == (422, "secret_in_outputs")
    assert "hunter22" not in answer.text
    with pytest.raises(SecretInOutputs):
        refuse_secrets(outputs)


def test_names_and_addresses_of_secrets_are_no_secrets() -> None:
    refuse_secrets(
        {
            "secretNames": {"STRIPE_SECRET_KEY": "cloudbill-prod/stripe"},
            "password": {"secret": True},
            "apiUrl": "https://api.example.com:8443/a@b",
            "token": "${cloudbill-secrets.token}",
        }
    )


async def test_only_operators_keep_deployments_and_no_tenant_reads_them(
    operator: Caller, make_operator: Callable[..., Awaitable[Caller]], tenant: Caller
) -> None:
    finance = await make_operator("finance")
    body = deployment_of("dev")
    for caller in (finance, tenant):
        assert (await caller.post("/operations/deployments", body)).status_code == 403
    assert (await finance.get("/operations/deployments")).status_code == 200
    assert (await tenant.get("/operations/deployments")).status_code == 403


async def test_a_graph_may_be_larger_than_other_bodies_but_not_of_any_size(operator: Caller) -> None:
    answer = await operator.post("/operations/deployments", {"stack": "x" * 8_100_000})
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    answer = await operator.post("/operations/deployments", {"stack": "x" * 2_000_000})
    assert answer.status_code == 422
    answer = await operator.post("/operations/costs", {"stack": "x" * 2_000_000})
    assert answer.status_code == 413


async def test_the_list_turns_its_pages(operator: Caller) -> None:
    for number in range(3):
        await made(operator.post("/operations/deployments", deployment_of("dev", revision=f"000000{number}")))
    first = await made(operator.get("/operations/deployments", limit=2))
    rest = await made(operator.get("/operations/deployments", limit=2, cursor=first["nextCursor"]))
    assert [row["revision"] for row in first["data"] + rest["data"]] == ["0000002", "0000001", "0000000"]
    assert rest["nextCursor"] is None
    assert (await operator.get("/operations/deployments", cursor="x")).status_code == 422


async def test_no_role_changes_what_is_over(operator: Caller, connect: Callable[..., Awaitable[Connection]]) -> None:
    await made(operator.post("/operations/deployments", deployment_of("dev")))
    for role in ("app", "operator"):
        session = await connect(role)
        await session.set_autocommit(True)
        for table in ("deployments", "cost_estimates", "actual_costs", "alerts"):
            with pytest.raises(errors.InsufficientPrivilege):
                await session.execute(f"DELETE FROM {table}")
    admin = await connect("admin")
    await admin.set_autocommit(True)
    for statement in (
        "UPDATE deployments SET outcome = 'failed'",
        "DELETE FROM deployments",
        "TRUNCATE deployments CASCADE",
        "UPDATE cost_estimates SET monthly = 0",
        "DELETE FROM cost_estimates",
    ):
        with pytest.raises(errors.RestrictViolation):
            await admin.execute(statement)
