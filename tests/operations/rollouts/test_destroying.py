"""A stack is taken down only after its name was typed and its database backed up; what remains is said."""

from collections.abc import Iterator
from decimal import Decimal

import pytest

from core.operations.clouds.errors import DatabaseNotFound
from core.operations.rollouts.destroying import STEPS, VARIABLE, Ending, destroy
from core.operations.rollouts.errors import NotConfirmed, PulumiFailed, StackNotInitialised
from core.operations.rollouts.journal import Journals
from core.operations.rollouts.project import Project
from infra import teardown
from tests.operations.rollouts import aws
from tests.operations.rollouts.conftest import Engine, Operator

ENDPOINT = "cloudbill-prod.aaaaaaaaaa.us-east-1.rds.amazonaws.com:5432"


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with aws.moto(monkeypatch) as url:
        yield url


def ending(project: Project, operator: Operator, typed: str) -> Ending:
    return Ending(
        project=project,
        journals=Journals(project.root / ".cloudbill" / "deployments"),
        now=operator.tick,
        say=operator.said.append,
        confirmed=lambda question: (operator.asked.append(question), typed)[1],
    )


def test_production_is_destroyed_after_failing_once_at_each_step_and_nothing_is_done_twice(
    account: str, engine: Engine, project: Project, operator: Operator
) -> None:
    engine.init("prod", {"databaseEndpoint": ENDPOINT})
    engine.recorded("prod", project.root)
    before = len(engine.state("prod")["resources"])
    assert before > 400
    with pytest.raises(NotConfirmed, match="'production' and not 'prod': nothing was changed"):
        destroy("prod", ending(project, operator, "production"))
    with pytest.raises(DatabaseNotFound):
        destroy("prod", ending(project, operator, "prod"))
    aws.database("cloudbill-prod")
    engine.fail("fail-up")
    with pytest.raises(PulumiFailed, match=r"the cloud refused it \(up\)"):
        destroy("prod", ending(project, operator, "prod"))
    engine.fail("fail-destroy")
    with pytest.raises(PulumiFailed, match=r"the cloud refused it \(destroy\)"):
        destroy("prod", ending(project, operator, "prod"))
    assert len(engine.state("prod")["resources"]) == before
    left = {one.what: one for one in destroy("prod", ending(project, operator, "prod"))}

    assert engine.state("prod")["resources"] == []
    [snapshot] = aws.snapshots()
    assert snapshot.startswith("cloudbill-prod-destroy-")
    ups = engine.calls("up")
    assert len(ups) == 2
    targets = {ups[1][at + 1].rpartition("::")[2] for at, word in enumerate(ups[1]) if word == "--target"}
    assert {"cloudbill-database-primary", "cloudbill-edge-alb", "cloudbill-keys-data"} <= targets
    assert "cloudbill-api-service" not in targets
    assert len(engine.calls("destroy")) == 2
    assert f"the last backup, {snapshot}" in left
    assert "RDS's final snapshot, cloudbill-prod-final" in left
    assert left["cloudbill-keys-data"].monthly == Decimal("1.00")
    assert left["cloudbill-keys-secrets"].monthly == 0
    assert "deleted after its waiting time" in left["cloudbill-keys-secrets"].how
    assert "delete-recovery-point" in left["cloudbill-backup-vault"].how
    assert "cloudbill-files-system" in left
    assert len(operator.asked) == 5


def test_what_pulumi_does_not_know_is_not_destroyed(engine: Engine, project: Project, operator: Operator) -> None:
    with pytest.raises(StackNotInitialised):
        destroy("dev", ending(project, operator, "dev"))
    assert operator.asked == []


def test_the_program_and_the_command_mean_the_same_variable() -> None:
    assert VARIABLE == teardown.VARIABLE
    assert STEPS == ("confirm", "backup", "unprotect", "destroy", "remains")


@pytest.mark.parametrize("stack", ["prod", "prod-gcp"])
def test_only_a_teardown_of_this_stack_takes_protection_off(stack: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from infra.recording.program import record

    monkeypatch.setenv(VARIABLE, stack)
    free = record(stack)
    assert [resource.name for resource in free.resources if resource.protect] == []
    text = free.to_json()
    for switch in ("deletionProtection", "enableDeletionProtection", "deletionProtectionEnabled"):
        assert f'"{switch}": true' not in text
    retained = {resource.name for resource in free.resources if resource.options.get("retainOnDelete")}
    kept = {"cloudbill-backup-vault", "cloudbill-keys-data", "cloudbill-keys-logs"}
    assert kept <= retained
    monkeypatch.setenv(VARIABLE, "another")
    assert len([resource for resource in record(stack).resources if resource.protect]) >= 5
