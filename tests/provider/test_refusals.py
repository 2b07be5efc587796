"""The judgement can fail: one thing broken in a graph, and the provider names the resource that it refuses."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.graph import Graph
from tests.provider.judging import Judge
from tests.provider.once import once
from tests.provider.stacks import graph_of

pytestmark = pytest.mark.timeout(900)
Inputs = dict[str, Any]


def _set(**changes: Any) -> Callable[[Inputs], None]:
    return lambda inputs: inputs.update(changes)


def _misspelt(inputs: Inputs) -> None:
    inputs["cidrBlok"] = inputs.pop("cidrBlock")


def _stripped(inputs: Inputs) -> None:
    del inputs["policy"]


Broken = tuple[Callable[[Inputs], None], str]
BROKEN: list[dict[str, Broken]] = [
    {
        "cloudbill-network-vpc": (_misspelt, 'No argument or block type is named "cidr_blok"'),
        "cloudbill-network-flows-role": (_set(assumeRolePolicy="{"), "contains an invalid JSON policy"),
        "cloudbill-cache-slow-log": (_set(retentionInDays=91), "expected retention_in_days to be one of"),
        "cloudbill-edge-logs-versions": (_set(versioningConfiguration={"status": "On"}), "status to be one of"),
        "cloudbill-network-cluster-ecs": (_set(configuration="large"), "configuration"),
        "cloudbill-files-system": (_set(throughputMode=["elastic"]), "string required"),
    },
    {
        "cloudbill-network-public-a": (_set(cidrBlock="10.20.0.0/99"), "is not a valid CIDR block"),
        "cloudbill-network-internet": (_set(vpcId="${nothing.id}"), '"nothing" has not been declared'),
        "cloudbill-database-primary": (_set(backupWindow="3 to 4"), "must satisfy the format"),
        "cloudbill-registry-app": (_set(imageTagMutability="FIXED"), "expected image_tag_mutability to be one of"),
        "cloudbill-files-backups": (
            _set(fileSystemId="${cloudbill-network-vpc.colour}"),
            'exported attribute named "colour"',
        ),
        "cloudbill-files-policy": (_stripped, '"policy" is required'),
    },
    {
        "edge-api-main": (_set(targetType="task"), "expected target_type to be one of"),
        "cloudbill-api-task-definition": (_set(containerDefinitions="none"), "container_definitions"),
    },
]
"""By resource: what is broken, and what the refusal says of it. What depends on a refused one is not looked at, so that
those of a group do not depend on one another."""
CASES = [(name, case[1]) for group in BROKEN for name, case in group.items()]


GONE = "urn:pulumi:dev::cloudbill::aws:ec2/vpc:Vpc::cloudbill-gone"


def broken(graph: Graph, group: dict[str, Broken]) -> Graph:
    """All of a group at once: each is refused for itself."""
    found = copy.deepcopy(graph)
    for name, (change, _) in group.items():
        change(found.get(name).inputs)
    return found


@pytest.fixture(scope="module")
def refusals(judge: Judge, shared: Path) -> dict[str, list[str]]:
    """By resource, what was said."""

    def ask() -> dict[str, list[str]]:
        said: dict[str, list[str]] = {}
        for number, group in enumerate(BROKEN):
            graph = broken(graph_of("dev"), group)
            if number == 0:
                graph.get("cloudbill-registry-app").dependsOn.append(GONE)
            for complaint in judge.validated(graph, f"broken-{number}"):
                said.setdefault(complaint.place.split(".")[1], []).append(str(complaint))
        return said

    return once(shared, "refusals", ask)


@pytest.mark.parametrize(("name", "said"), CASES, ids=[name for name, _ in CASES])
def test_one_broken_thing_is_refused_by_its_name(refusals: dict[str, list[str]], name: str, said: str) -> None:
    assert [text for text in refusals.get(name, []) if said in text], refusals


def test_what_waits_for_something_that_is_not_there_is_refused(refusals: dict[str, list[str]]) -> None:
    assert [text for text in refusals["cloudbill-registry-app"] if '"cloudbill-gone" has not been declared' in text]


def test_nothing_else_is_refused(refusals: dict[str, list[str]]) -> None:
    assert set(refusals) == {name for name, _ in CASES}
