"""What the application is granted on Google Cloud for its own recovery: what its calls were seen to need, and no more.

The calls are made here, too: the worker's looks and backups and a drill's restores run against the fake, which notes
what they need; the grants of the graph are the same set, permission by permission.
"""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core.operations.clouds import gcp_instances
from core.operations.clouds import google as asking
from core.operations.clouds.base import Place, backups_of, standbys_of, watched_of
from core.operations.clouds.google_permissions import PERMISSIONS, SOURCES
from core.operations.clouds.groundwork.gcp import GRANTABLE, OWN_ROLES
from infra.graph import Graph, Resource
from infra.policies.reading import TOKEN
from tests.support import google_calls
from tests.support.cloud_sql import DATABASE, PROJECT, REGION, CloudSql
from tests.support.google import Google, fake
from tests.support.google_metrics import Metrics

Graphs = Callable[[str], Graph]
ROOT = Path(__file__).parents[2]
GCP = ("dev-gcp", "staging-gcp", "prod-gcp")
PLACE = Place(cloud="gcp", region=REGION, project=PROJECT)
UNCONDITIONAL = {"monitoring.timeSeries.list", "run.revisions.get", "run.services.list", "run.workerpools.list"}
"""Google offers no condition on a name for these."""


@pytest.fixture
def sql(monkeypatch: pytest.MonkeyPatch) -> Iterator[CloudSql]:
    with fake() as google:
        for name, value in google.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(asking, "sleep", lambda seconds: None)
        Metrics(google)
        cloud = CloudSql(google)
        cloud.add(replicaNames=["replica-1"])
        cloud.add("replica-1", instanceType="READ_REPLICA_INSTANCE", masterInstanceName=f"{PROJECT}:{DATABASE}")
        cloud.add_run(cloud.now - timedelta(hours=3))
        _serve(google)
        yield cloud


def _serve(google: Google) -> None:
    parent = f"projects/{PROJECT}/locations/{REGION}"
    for kind in ("services", "workerPools"):
        name = f"{parent}/{kind}/one"
        one = {"name": name, "labels": {"stack": "prod-gcp"}, "latestReadyRevision": f"{name}/revisions/one-1"}
        google.answers[f"run.projects.locations.{kind}.list"] = lambda _, kind=kind, one=one: {kind: [one]}
        google.answers[f"run.projects.locations.{kind}.revisions.get"] = lambda call: {"name": call.path["name"]}


def needed(google: Google, work: Callable[[], object]) -> set[str]:
    """The permissions of the calls that this makes, refused when one was not answered."""
    google.calls.clear()
    work()
    assert set(google.calls) <= google.answered
    return {permission for method in google.calls for permission in PERMISSIONS[method]}


def worker_looks_and_takes() -> None:
    """As core/operations/recovery/looking.py does each minute, and running.py when the console asks for a backup."""
    backups, watched = backups_of(PLACE, DATABASE), watched_of(PLACE, DATABASE)
    backups.list_backups()
    backups.restorable()
    standbys_of(PLACE, DATABASE).standing()
    watched.versions()
    watched.measures()
    backups.create("asked for in the console")


def drill_restores_and_drops() -> None:
    """As core/operations/recovery/cloud_drills.py does for both of its scenarios."""
    backups = backups_of(PLACE, DATABASE)
    newest = backups.list_backups()[-1].name
    for to, into in (("latest", "drill-1"), (newest, "drill-2")):
        backups.restore(to, into=into)
        backups.drop(into)


@pytest.mark.parametrize("stack", GCP)
def test_the_worker_may_do_what_its_looks_and_backups_need_and_nothing_else(
    graphs: Graphs, sql: CloudSql, monkeypatch: pytest.MonkeyPatch, stack: str
) -> None:
    monkeypatch.setattr(gcp_instances, "sleep", lambda seconds: None)
    granted = own_grants(graphs(stack), "worker")
    assert {permission for permissions in granted.values() for permission in permissions} == needed(
        sql.google, worker_looks_and_takes
    )
    for expression, permissions in granted.items():
        if expression is None:
            assert permissions == UNCONDITIONAL
        else:
            assert 'resource.name.startsWith("projects/' in expression
            assert "${cloudbill-database-instance.name}" in expression


def test_a_drill_may_do_what_its_restores_need_and_nothing_else(graphs: Graphs, sql: CloudSql) -> None:
    granted = own_grants(graphs("prod-gcp"), "drill")
    assert {permission for permissions in granted.values() for permission in permissions} == needed(
        sql.google, drill_restores_and_drops
    )
    [reads] = [
        expression for expression in granted if expression and "${cloudbill-database-instance.name}" in expression
    ]
    [owns] = [expression for expression in granted if expression and "/instances/drill-" in expression]
    assert set(granted) == {reads, owns}
    assert not {"cloudsql.instances.delete", "cloudsql.instances.update"} & granted[reads], "the original is only read"


@pytest.mark.parametrize("stack", GCP)
def test_nobody_else_has_a_role_of_ours_that_reaches_the_database(graphs: Graphs, stack: str) -> None:
    drills = {"drill"} if stack == "prod-gcp" else set[str]()
    for who in ("api", "console", "migrate", *({"drill"} - drills)):
        assert own_grants(graphs(stack), who) == {}


def test_each_permission_is_traced_to_a_call_that_a_test_saw() -> None:
    kept = google_calls.kept()
    assert [(action, caller) for action, caller in kept] == sorted(kept)
    for (action, caller), tests in kept.items():
        methods = [method for method, needs in PERMISSIONS.items() if action in needs]
        words = {method.rpartition(".")[2] for method in methods}
        text = (ROOT / caller).read_text()
        below = "".join(
            (ROOT / "core/operations/clouds" / name).read_text() for name in ("gcp_instances.py", "gcp_metrics.py")
        )
        assert any(re.search(rf"\.{word}(?:_media)?\(", text + below) for word in words), (action, caller)
        assert all((ROOT / test).is_file() for test in tests)
    seen = {action for action, _ in kept}
    assert {permission for needs in PERMISSIONS.values() for permission in needs} == seen, "nothing idle in the table"
    assert {method.partition(".")[0] for method in PERMISSIONS} == set(SOURCES)


def test_who_deploys_may_grant_what_the_program_grants_in_the_project_and_nothing_else(graphs: Graphs) -> None:
    granted: set[str] = set()
    for stack in GCP:
        graph = graphs(stack)
        roles = {of.name: of.inputs["roleId"] for of in graph.of_type("gcp:projects/iAMCustomRole:IAMCustomRole")}
        for of in graph.of_type("gcp:projects/iAMMember:IAMMember"):
            role = roles.get(_reference(of.inputs["role"]), of.inputs["role"])
            granted.add(role.removesuffix(f"_{stack.replace('-', '_')}"))
    assert granted == {GRANTABLE, *OWN_ROLES}


def own_grants(graph: Graph, who: str) -> dict[str | None, set[str]]:
    """The permissions of roles of ours that this identity holds in the project, by their condition."""
    roles = {of.name: of for of in graph.of_type("gcp:projects/iAMCustomRole:IAMCustomRole")}
    found: dict[str | None, set[str]] = {}
    for of in graph.of_type("gcp:projects/iAMMember:IAMMember"):
        made = roles.get(_reference(of.inputs["role"]))
        if made is not None and _holder(of) == who:
            expression = of.inputs.get("condition", {}).get("expression")
            found.setdefault(expression, set()).update(made.inputs["permissions"])
    return found


def _holder(of: Resource) -> str:
    return _reference(of.inputs.get("member")).removesuffix("-id")


def _reference(value: Any) -> str:
    found = TOKEN.findall(value) if isinstance(value, str) else []
    return found[0] if found else ""
