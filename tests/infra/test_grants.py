"""Who may do what: nobody everything, and the application nothing that no call of it needs."""

import ast
import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore import xform_name

from core.operations.clouds.aws_actions import actions_of
from infra.graph import Graph, Resource
from infra.policies.reading import TOKEN
from tests.infra import grants
from tests.infra.grants import Call

Graphs = Callable[[str], Graph]
ROOT = Path(__file__).parents[2]
AWS, GCP = ("dev", "staging", "prod"), ("dev-gcp", "staging-gcp", "prod-gcp")
RUN = ("gcp:cloudrunv2/service:Service", "gcp:cloudrunv2/workerPool:WorkerPool", "gcp:cloudrunv2/job:Job")
TOO_MUCH = re.compile(r"^roles/(owner|editor|viewer|iam\.securityAdmin|.*[aA]dmin)$")


def statements(graph: Graph) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every statement of every policy document, whatever the type that carries it."""
    for resource in graph.resources:
        for value in resource.inputs.values():
            if isinstance(value, str) and '"Statement"' in value:
                for statement in json.loads(value)["Statement"]:
                    yield resource.name, statement


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize("stack", AWS)
def test_no_statement_grants_a_wildcard_of_actions_or_every_resource_but_to_who_owns_it(
    graphs: Graphs, stack: str
) -> None:
    """Where the resource has to be `*`, the actions are those that take no resource or only list, one by one."""
    without_resource = {"ecr:GetAuthorizationToken", "cloudwatch:GetMetricData", "ecs:DescribeTaskDefinition",
                        "rds:DescribeDBInstanceAutomatedBackups", "rds:DescribeDBSnapshots",
                        *(f"ssmmessages:{kind}{way}Channel"
                        for kind in ("Create", "Open") for way in ("Control", "Data"))}  # fmt: skip
    seen = 0
    for name, statement in statements(graphs(stack)):
        if statement["Effect"] != "Allow":
            continue
        seen += 1
        assert "NotAction" not in statement, name
        assert "NotResource" not in statement, name
        actions = listed(statement["Action"])
        assert not [action for action in actions if "*" in action], name
        # A policy of a resource (key, bucket, topic) names itself, so that `*` is that one; a principal bounds it.
        if "*" in listed(statement.get("Resource", [])) and "Principal" not in statement:
            assert set(actions) <= without_resource, name
        if statement.get("Principal") in ("*", {"AWS": "*"}):
            # Of an endpoint's: whoever comes through it, to what is named and nothing else.
            assert "endpoints" in name, f"{name} grants {actions} to everybody"
            is_ours = statement.get("Condition", {}).get("StringEquals", {}).get("aws:ResourceAccount")
            assert is_ours == "${getCallerIdentity.accountId}" or "*" not in statement["Resource"], name
    assert seen > 40


@pytest.mark.parametrize("stack", GCP)
def test_nobody_owns_or_edits_a_project_and_no_role_of_ours_has_a_wildcard(graphs: Graphs, stack: str) -> None:
    graph = graphs(stack)
    granted = [
        of for of in graph.resources if "role" in of.inputs and ("member" in of.inputs or "members" in of.inputs)
    ]
    assert len(granted) > 40
    for of in granted:
        assert not TOO_MUCH.match(of.inputs["role"]), of.name
        assert of.inputs.get("member") not in ("allUsers", "allAuthenticatedUsers"), of.name
    for role in graph.of_type("gcp:projects/iAMCustomRole:IAMCustomRole"):
        assert not [permission for permission in role.inputs["permissions"] if "*" in permission], role.name


@pytest.mark.parametrize("stack", AWS)
def test_the_application_on_aws_may_do_what_its_calls_need_and_nothing_else(graphs: Graphs, stack: str) -> None:
    graph = graphs(stack)
    granted = {
        (action, role)
        for role in ("api", "worker", "console", "job")
        for policy in graph.of_type("aws:iam/rolePolicy:RolePolicy")
        if policy.name == f"cloudbill-{role}-task-task-role-policy"
        for statement in json.loads(policy.inputs["policy"])["Statement"]
        for action in statement["Action"]
    }
    sessions = {"job"} if stack == "prod" else {"api", "worker", "console", "job"}
    configured = _pairs(grants.AWS) | {
        (call.action, role) for call in grants.AWS_SESSIONS for role in call.roles & sessions
    }
    assert configured <= granted
    asked = granted - configured
    assert {role for _, role in asked} == {"worker", "job"}
    untraced = sorted((action, role) for action, role in asked if action not in grants.recorded_on_aws(role))
    assert untraced == [], "no test of the adapters saw a call that needs these"


def test_each_recorded_call_is_made_where_it_says_and_by_a_test_that_is_there() -> None:
    """What only depends on another call (tags, keys) is asked for by that one, in the same file."""
    document = json.loads((ROOT / "tests/infra/calls-aws.json").read_text())
    recorded = [(call["action"], call["made_by"]) for call in document["calls"]]
    assert recorded == sorted(set(recorded))
    assert len(recorded) > 70
    dependent = {action for action, _ in recorded for action in actions_of(*action.split(":"))[1:]}
    assert dependent == {"kms:CreateGrant", "kms:DescribeKey", "rds:AddTagsToResource"}
    for call in document["calls"]:
        service, operation = call["action"].split(":")
        # S3 alone names its actions otherwise than its operations.
        if service != "s3" and call["action"] not in dependent:
            assert xform_name(operation) in (ROOT / call["made_by"]).read_text(), call
        for test in call["seen_in"]:
            assert (ROOT / test).is_file(), test


@pytest.mark.parametrize("stack", GCP)
def test_the_application_on_google_cloud_may_do_what_its_calls_need_and_nothing_else(
    graphs: Graphs, stack: str
) -> None:
    graph = graphs(stack)
    runs = {_reference(_account_of(of)).removesuffix("-id") for of in graph.of_type(*RUN)}
    assert runs == {"api", "worker", "console", "migrate"} | ({"drill"} if stack == "prod-gcp" else set())
    own_roles = {of.name for of in graph.of_type("gcp:projects/iAMCustomRole:IAMCustomRole")}
    granted: set[tuple[str, str]] = set()
    for of in graph.resources:
        who = _reference(of.inputs.get("member")).removesuffix("-id")
        if "role" not in of.inputs or who not in runs:
            continue
        if _reference(of.inputs["role"]) not in own_roles:  # of those speaks test_grants_google.py
            granted.add((of.inputs["role"], who))
    assert granted == {pair for pair in _pairs(grants.GCP) if pair[1] in runs}


@pytest.mark.parametrize("call", [*grants.AWS, *grants.AWS_SESSIONS, *grants.GCP], ids=lambda call: call.action)
def test_each_grant_names_a_call_that_is_there(call: Call) -> None:
    file, _, name = call.made_by.partition(":")
    text = (ROOT / file).read_text()
    if file.startswith("core/"):
        functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)]
        assert name in {function.name for function in functions}
    else:
        assert name in text


def _pairs(calls: Iterable[Call]) -> set[tuple[str, str]]:
    return {(call.action, role) for call in calls for role in call.roles}


def _account_of(of: Resource) -> Any:
    template = of.inputs["template"]
    return template.get("template", template)["serviceAccount"]


def _reference(value: Any) -> str:
    found = TOKEN.findall(value) if isinstance(value, str) else []
    return found[0] if found else ""
