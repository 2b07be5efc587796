"""`python -m infra.policies` says what is broken, where, and what to change, and ends accordingly."""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from infra.graph import Graph, InvalidGraph, Resource
from infra.policies.__main__ import main
from infra.policies.catalog import RULES
from infra.policies.judging import State, judge
from infra.policies.waivers import InvalidWaivers, Waiver, read_waivers
from infra.recording.program import record
from tests.infra.recorded import recorded

BROKEN = "network.database-not-public"
DAY = date(2026, 11, 20)


def public_database() -> Graph:
    database = Resource(
        urn="urn:pulumi:prod::cloudbill::aws:rds/instance:Instance::db",
        type="aws:rds/instance:Instance",
        name="db",
        parent=None,
        custom=True,
        inputs={"publiclyAccessible": True},
        dependsOn=[],
        protect=False,
        ignoreChanges=[],
        provider=None,
        version="",
    )
    return Graph(stack="prod", cloud="aws", resources=[database], outputs={})


def waiver(rule: str = BROKEN, until: date = DAY, stack: str | None = "prod") -> Waiver:
    return Waiver(rule=rule, resource="db", reason="The region has one zone only.", until=until, stack=stack)


@pytest.mark.parametrize("stack", ["prod", "prod-gcp"])
def test_production_passes_every_rule_without_a_waiver(stack: str) -> None:
    judgement = judge(recorded(stack))
    assert [f"{rule.name} {found.resource}: {found.change}" for rule, found in judgement.violations] == []
    assert judgement.environment == "production"
    assert judgement.count(State.PASS) >= 80
    assert read_waivers() == []


@pytest.mark.parametrize("stack", ["staging", "staging-gcp", "dev", "dev-gcp"])
def test_the_other_stacks_pass_what_is_asked_of_them(stack: str) -> None:
    judgement = judge(recorded(stack))
    assert [f"{rule.name} {found.resource}: {found.change}" for rule, found in judgement.violations] == []


@pytest.mark.parametrize(
    ("stack", "config"),
    [
        (
            "prod",
            {"cache": {"engine": "redis", "version": "7.1"}, "database": {"backupRegion": "us-west-2", "replicas": 1}},
        ),
        (
            "prod-gcp",
            {
                "billingAccount": "012345-678901-ABCDEF",
                "cache": {"engine": "valkey", "version": "8.0", "node": "STANDARD_SMALL"},
                "database": {"backupRegion": "us-west1", "replicas": 1},
            },
        ),
    ],
)
def test_production_passes_with_a_bridge_replicas_and_the_other_cache(
    stack: str, config: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.policies.rules.bridge.today", lambda: DAY)
    peer = {"prod": "10.40.0.0/16", "prod-gcp": "10.20.0.0/16"}[stack]
    bridge = {"until": "2026-11-30", "peerAddress": "203.0.113.10", "peerCidr": peer}
    given = {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}
    graph = record(
        stack,
        config={f"cloudbill:{key}": value for key, value in (given | {"bridge": json.dumps(bridge)}).items()},
        secrets={f"cloudbill:{key}": "a-shared-key-of-32-letters-or-so" for key in ("bridgeKey", "pagerKey")},
    )
    judgement = judge(graph)
    assert [f"{rule.name} {found.resource}: {found.change}" for rule, found in judgement.violations] == []
    states = {outcome.rule.name: outcome.state for outcome in judgement.outcomes}
    assert states["bridge.time-limited"] is State.PASS
    monkeypatch.setattr("infra.policies.rules.bridge.today", lambda: date(2026, 12, 1))
    closed = {rule.name for rule, _ in judge(graph).violations}
    assert closed == {"bridge.time-limited"}


def test_a_violation_names_rule_resource_and_change(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "graph.json"
    place.write_text(public_database().to_json())
    assert main([str(place)]) == 1
    said = capsys.readouterr().out
    assert f"{BROKEN}  db: publiclyAccessible is true: it must be false" in said
    assert "RDS.2" in said


def test_the_same_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "graph.json"
    place.write_text(public_database().to_json())
    assert main([str(place), "--format", "json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["stack"], found["cloud"], found["environment"]) == ("prod", "aws", "production")
    rules = {entry["name"]: entry for entry in found["rules"]}
    assert len(rules) == len(RULES) + 1  # and the waivers' own
    assert rules[BROKEN]["state"] == "fail"
    assert rules[BROKEN]["violations"] == [{"resource": "db", "change": "publiclyAccessible is true: it must be false"}]
    assert rules["bridge.time-limited"]["state"] == "not applicable"
    assert sum(found["counts"].values()) == len(rules)


def test_a_graph_that_breaks_nothing_ends_with_zero(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "graph.json"
    place.write_text(recorded("prod").to_json())
    assert main([str(place)]) == 0
    assert "0 fail" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("not JSON", "graph.json: this is no JSON"),
        ("[]", "graph.json: this is no recorded graph"),
        ('{"stack": "prod"}', "graph.json: this is no recorded graph"),
        ('{"stack": "prod", "cloud": "aws", "resources": [{"name": 1}], "outputs": {}}', "invalid_graph"),
        ('{"stack": "prod", "cloud": "aws", "resources": [4], "outputs": {}}', "invalid_graph"),
        ("\x00\xff", "invalid_graph"),
    ],
)
def test_what_is_no_graph_is_refused_in_one_line(
    text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "graph.json"
    place.write_text(text, encoding="latin-1")
    assert main([str(place)]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert said in shown.err
    assert shown.err.count("\n") == 1


def test_an_unknown_stack_or_file_is_refused_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nowhere"]) == 2
    assert "unknown_stack: there is no Pulumi.nowhere.yaml: the stacks are" in capsys.readouterr().err
    assert main(["nowhere.json"]) == 2
    assert (
        capsys.readouterr().err
        == "infra.policies: invalid_graph: nowhere.json cannot be read: No such file or directory\n"
    )


def test_inputs_of_a_wrong_shape_are_a_violation_or_a_named_error() -> None:
    # A graph of another tool may hold anything.
    for stack in ("prod", "prod-gcp"):
        graph = recorded(stack)
        for wrong in ("text", 1, [], [1], {"a": {"b": []}}, None, [[]], True):
            resources = [
                replace(resource, inputs=dict.fromkeys(resource.inputs, wrong)) for resource in graph.resources
            ]
            try:
                assert judge(replace(graph, resources=resources)).violations
            except InvalidGraph as error:
                assert "another shape than the provider takes" in str(error)  # noqa: PT017  # either will do


def test_a_waiver_lets_pass_what_it_names_until_its_day() -> None:
    judgement = judge(public_database(), waivers=[waiver()], on=DAY)
    outcome = next(one for one in judgement.outcomes if one.rule.name == BROKEN)
    assert outcome.state is State.WAIVED
    assert not any(rule.name == "waivers.needed-and-in-time" for rule, _ in judgement.violations)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (waiver(until=date(2026, 11, 19)), "ended on 2026-11-19"),
        (waiver(rule="network.no-such-rule"), "there is no such rule"),
        (waiver(rule="network.two-zones"), "nothing needs it"),
        (waiver(rule="network.two-zones", stack=None), "name the stack that needs it"),
    ],
)
def test_a_waiver_that_ended_or_that_nothing_needs_is_a_violation(given: Waiver, said: str) -> None:
    judgement = judge(public_database(), waivers=[given], on=DAY)
    changes = [found.change for rule, found in judgement.violations if rule.name == "waivers.needed-and-in-time"]
    assert len(changes) == 1
    assert said in changes[0]


def test_a_waiver_of_another_stack_is_not_looked_at() -> None:
    judgement = judge(public_database(), waivers=[waiver(stack="staging")], on=DAY)
    assert any(rule.name == BROKEN for rule, _ in judgement.violations)
    assert not any(rule.name == "waivers.needed-and-in-time" for rule, _ in judgement.violations)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: b", "must be a list"),
        ("- {rule: x}", "entry 1: missing reason, resource, until"),
        ("- text", "entry 1: it must say"),
        ("- {rule: x, resource: y, until: soon, reason: as long as a sentence is}", "until must be a day"),
        ("- {rule: x, resource: y, until: 2026-12-31, reason: so}", "the reason must be a sentence"),
        ("- {rule: x, resource: y, until: 2026-12-31, reason: so, who: me}", "unknown who"),
        ("- [", "is no YAML"),
    ],
)
def test_waivers_that_cannot_be_read_are_refused(
    text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place, graph = tmp_path / "waivers.yaml", tmp_path / "graph.json"
    place.write_text(text)
    graph.write_text(public_database().to_json())
    with pytest.raises(InvalidWaivers, match=said):
        read_waivers(place)
    assert main([str(graph), "--waivers", str(place)]) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("infra.policies: invalid_waivers: ")
    assert shown.count("\n") == 1
