"""A deployment does each step once; one that stops goes on where it stopped, wherever that is."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
import yaml

from core.operations.clouds.errors import DatabaseNotFound
from core.operations.deployments.recording import NotRecorded
from core.operations.deployments.schemas import DeploymentBody
from core.operations.rollouts.deploying import Surroundings, Wanted, deploy, preview
from core.operations.rollouts.errors import (
    InvalidRollout,
    NothingToResume,
    NotTold,
    PoliciesBroken,
    ProgramRefused,
    PulumiFailed,
    RolloutError,
    RolloutRunning,
    SmokeFailed,
    StackNotInitialised,
    ToolMissing,
    UnknownStack,
)
from core.operations.rollouts.journal import Journal, Journals
from core.operations.rollouts.program import Program
from core.operations.rollouts.project import Project
from tests.operations.rollouts import aws
from tests.operations.rollouts.conftest import Engine, Operator, Told

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/cloudbill-dev@sha256:" + "a" * 64
COLLECTOR = "123456789012.dkr.ecr.us-east-1.amazonaws.com/cloudbill-dev-collector@sha256:" + "b" * 64
ENDPOINT = "cloudbill-dev.aaaaaaaaaa.us-east-1.rds.amazonaws.com:5432"


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with aws.moto(monkeypatch) as url:
        yield url


def configure(project: Project, key: str, value: object) -> None:
    path = project.file("dev")
    document = yaml.safe_load(path.read_text())
    document["config"][f"cloudbill:{key}"] = value
    path.write_text(yaml.safe_dump(document))


def test_a_deployment_that_fails_once_at_each_step_is_completed_and_nothing_is_done_twice(
    account: str, engine: Engine, project: Project, around: Surroundings, operator: Operator, told: Told
) -> None:
    engine.init("dev", {"databaseEndpoint": ENDPOINT})
    engine.answers(databaseEndpoint=ENDPOINT, apiUrl=told.url, image=IMAGE, secretOfTests="never-stored")
    wanted = Wanted(stack="dev", notify=f"{told.url}/hook", api=told.url)
    configure(project, "region", "nowhere-1")
    with pytest.raises(ProgramRefused, match="nowhere-1"):
        deploy(wanted, around)
    configure(project, "region", "us-east-1")
    with pytest.raises(DatabaseNotFound, match=r"no database .* answers at cloudbill-dev\."):
        deploy(wanted, around)
    assert aws.database("cloudbill-dev") == ENDPOINT
    engine.fail("fail-up")
    with pytest.raises(PulumiFailed, match="pulumi up failed: error: the cloud refused it"):
        deploy(wanted, around)
    engine.fail("fail-up-half")
    with pytest.raises(PulumiFailed, match="the cloud refused half of it"):
        deploy(wanted, around)
    operator.smoke = [["reconcile", "ledger"]]
    with pytest.raises(SmokeFailed, match="fails reconcile, ledger"):
        deploy(wanted, around)
    told.answers["/operations/deployments"] = [503]
    with pytest.raises(NotRecorded, match="answered 503"):
        deploy(wanted, around)
    told.answers["/hook"] = [400]
    with pytest.raises(NotTold, match="answered 400"):
        deploy(wanted, around)
    journal = deploy(replace(wanted, resume=True), around)

    assert [(step.name, step.state) for step in journal.steps] == [
        ("preflight", "done"), ("snapshot", "done"), ("update", "done"),
        ("smoke", "done"), ("record", "done"), ("notify", "done"),
    ]  # fmt: skip
    assert journal.attempts == 8
    assert aws.snapshots() == [f"cloudbill-dev-deploy-{journal.id}"]
    assert len(engine.calls("up")) == 3  # two that failed, and the one that did not
    assert len(operator.shown) == 1
    assert operator.asked == ["Deploy dev?"]
    assert len(operator.smoked) == 2
    assert told.keys == [
        *(f"deployment-{journal.id}-failed-{attempt}" for attempt in (2, 3, 4, 5)), f"deployment-{journal.id}"
    ]  # fmt: skip
    *failures, record = told.records
    assert [failure["outcome"] for failure in failures] == ["failed"] * 4
    assert [(failure["steps"][-1]["name"], failure["steps"][-1]["state"]) for failure in failures] == [
        ("snapshot", "failed"), ("update", "failed"), ("update", "failed"), ("smoke", "failed"),
    ]  # fmt: skip
    assert "the cloud refused half of it" in failures[2]["steps"][-1]["message"]
    assert all(failure["finishedAt"] == failure["steps"][-1]["finishedAt"] for failure in failures)
    for told_failure in failures:
        DeploymentBody.model_validate(told_failure)  # what the API takes
    assert (record["stack"], record["cloud"], record["kind"], record["outcome"]) == (
        "dev",
        "aws",
        "deployed",
        "succeeded",
    )
    assert record["version"] == IMAGE
    assert record["graph"]["stack"] == "dev"
    assert len(record["graph"]["resources"]) > 200
    assert [step["name"] for step in record["steps"]] == ["preflight", "snapshot", "update", "smoke"]
    said = [json.loads(body) for _, body in told.notices]
    assert [notice["type"] for notice in said] == [*["deployment.failed"] * 6, *["deployment.succeeded"] * 2]
    assert said[4]["data"]["reason"].startswith(f"{told.url} fails reconcile, ledger")
    headers, body = told.notices[-1]
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    right = base64.b64encode(hmac.new(b"the key", signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{right}"
    for path in around.journals.folder.iterdir():
        assert "never-stored" not in path.read_text()
    with pytest.raises(NothingToResume, match="no deployment of dev stopped"):
        deploy(replace(wanted, resume=True), around)


def test_a_failure_that_cannot_be_recorded_is_said_and_changes_nothing_of_it(
    engine: Engine, around: Surroundings, operator: Operator, told: Told
) -> None:
    engine.init("dev", {"apiUrl": told.url})
    engine.fail("fail-up")
    told.answers["/operations/deployments"] = [503]
    with pytest.raises(PulumiFailed, match="the cloud refused it"):
        deploy(Wanted(stack="dev"), around)
    assert told.records == []
    assert any(line.startswith("the failure was not recorded: POST") for line in operator.said)
    engine.fail("fail-up")
    with pytest.raises(PulumiFailed, match="the cloud refused it"):
        deploy(Wanted(stack="dev"), around)
    assert [record["outcome"] for record in told.records] == ["failed"]  # at the API that the last update gave out


def test_one_that_was_killed_after_it_was_recorded_says_the_same_again(
    engine: Engine, around: Surroundings, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.init("dev")
    engine.answers(apiUrl=told.url, image=IMAGE)
    wanted, save = Wanted(stack="dev", api=told.url), Journals.save

    def killed(journals: Journals, journal: Journal) -> None:
        if journal.step("record").state == "done":
            raise KeyboardInterrupt
        save(journals, journal)

    with monkeypatch.context() as dying:
        dying.setattr(Journals, "save", killed)
        with pytest.raises(KeyboardInterrupt):
            deploy(wanted, around)
    later = replace(around, now=lambda: around.now() + timedelta(hours=1))
    deploy(wanted, later)
    assert told.keys[0] == told.keys[1]
    assert told.records[0] == told.records[1]
    assert told.records[0]["version"] == IMAGE


def test_the_first_deployment_has_no_snapshot_and_a_published_image_is_kept_in_the_stacks_file(
    engine: Engine, project: Project, around: Surroundings, operator: Operator
) -> None:
    engine.init("dev")
    engine.answers(apiUrl="https://api.example.com")
    quiet = replace(around, email=None)
    journal = deploy(Wanted(stack="dev", image=IMAGE, collector=COLLECTOR), quiet)
    assert [(step.name, step.state) for step in journal.steps if step.state == "skipped"] == [
        ("snapshot", "skipped"), ("record", "skipped"), ("notify", "skipped"),
    ]  # fmt: skip
    assert journal.step("snapshot").message == "the first deployment: there is no database yet"
    assert project.config("dev")["release"] == {"image": IMAGE, "collector": COLLECTOR}
    assert "docker" not in journal.step("preflight").message
    assert "resources" in operator.shown[0].costs.title or operator.shown[0].monthly > 100
    assert operator.smoked == ["https://api.example.com"]
    assert preview(Wanted(stack="dev"), quiet)["create"] > 200
    assert "what is deployed" in operator.shown[1].costs.title


def test_what_breaks_a_rule_is_not_deployed(engine: Engine, project: Project, around: Surroundings) -> None:
    engine.init("dev")
    configure(project, "bridge", {"until": "2026-01-01", "peerAddress": "203.0.113.1", "peerCidr": "10.99.0.0/16"})
    with pytest.raises((PoliciesBroken, ProgramRefused), match="bridge"):
        deploy(Wanted(stack="dev"), around)
    assert engine.calls("up") == []


@pytest.mark.parametrize(
    ("wanted", "error", "says"),
    [
        (Wanted(stack="nope"), UnknownStack, "the stacks that have a file .* dev, dev-gcp, prod"),
        (Wanted(stack="../dev"), UnknownStack, "there is no stack"),
        (Wanted(stack="staging"), StackNotInitialised, "cloudbill bootstrap staging"),
        (Wanted(stack="dev", build=True, image=IMAGE), InvalidRollout, "choose one"),
        (Wanted(stack="dev", resume=True, fresh=True), InvalidRollout, "choose one"),
        (Wanted(stack="dev", resume=True), NothingToResume, "leave out --resume"),
    ],
)
def test_what_cannot_be_deployed_is_refused_before_anything(
    engine: Engine, around: Surroundings, wanted: Wanted, error: type[RolloutError], says: str
) -> None:
    engine.init("dev")
    with pytest.raises(error, match=says):
        deploy(wanted, around)
    assert engine.calls("up") == engine.calls("config") == []


def test_two_deployments_of_a_stack_exclude_each_other(engine: Engine, around: Surroundings) -> None:
    engine.init("dev")
    with around.journals.only_one("dev"), pytest.raises(RolloutRunning, match=r"process \d+ works on dev"):
        deploy(Wanted(stack="dev"), around)


def test_without_pulumi_the_way_to_install_it_is_named(
    around: Surroundings, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path_factory.mktemp("empty")))
    with pytest.raises(ToolMissing, match=r"not on PATH. Install it: curl -fsSL https://get\.pulumi\.com"):
        deploy(Wanted(stack="dev"), around)


def test_a_damaged_journal_is_named(engine: Engine, around: Surroundings) -> None:
    engine.init("dev")
    around.journals.write(around.journals.path("dev", "deploy"), '{"id": 1')
    with pytest.raises(InvalidRollout, match=r"dev\.deploy\.json is no journal"):
        deploy(Wanted(stack="dev"), around)


def test_another_machines_update_is_named(engine: Engine, around: Surroundings) -> None:
    engine.init("dev")
    engine.fail("locked")
    with pytest.raises(RolloutRunning, match="pulumi cancel --stack dev"):
        Program(around.project, "dev").up(print, message="")
