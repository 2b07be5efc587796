"""`cloudbill backup|restore|restored … --stack NAME`: the stack's own outputs say where its database is."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from core.cli.main import application
from core.operations.clouds.errors import CloudRefused
from core.operations.rollouts.errors import InvalidRollout
from core.operations.rollouts.project import Project
from tests.operations.rollouts import aws
from tests.operations.rollouts.conftest import Engine


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch, engine: Engine, project: Project) -> Iterator[str]:
    """One that is deployed; its database is the emulator's."""
    monkeypatch.chdir(project.root)
    monkeypatch.setattr("core.operations.clouds.aws_backups.POLL_SECONDS", 0.01)
    with aws.moto(monkeypatch):
        engine.init("dev", outputs={"databaseEndpoint": aws.database("cloudbill-dev")})
        yield "dev"


def run(*words: str, code: int = 0) -> str:
    result = CliRunner().invoke(application(list(words)), list(words))
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.stdout


def test_made_listed_restored_looked_at_pruned_and_dropped(stack: str) -> None:
    made = json.loads(run("backup", "create", "--stack", stack, "--format", "json"))
    assert made["id"] in aws.snapshots()
    listed = json.loads(run("backup", "list", "--stack", stack, "--format", "json"))
    assert [one["id"] for one in listed["backups"]][-1] == made["id"]
    restored = json.loads(
        run("restore", "--stack", stack, "--to", made["id"], "--into", "before-it", "--format", "json")
    )
    assert (restored["name"], restored["endpoint"].startswith("before-it.")) == ("before-it", True)
    assert run("backup", "prune", "--stack", stack) == ("0 backups went; automated and foreign ones are left alone.\n")
    assert run("restored", "drop", "before-it", "--stack", stack, "--yes") == "before-it is gone.\n"
    with pytest.raises(CloudRefused, match="nothing was dropped: cloudbill-dev was not made by a restore"):
        run("restored", "drop", "cloudbill-dev", "--stack", stack, "--yes")


def test_a_snapshot_is_copied_to_another_region_once(stack: str) -> None:
    made = json.loads(run("backup", "create", "--stack", stack, "--format", "json"))["id"]
    words = ("backup", "copy", made, "--to", "eu-west-1", "--stack", stack)
    copied = json.loads(run(*words, "--format", "json"))
    assert (copied["id"], copied["region"]) == (made, "eu-west-1")
    assert f"{made} is in eu-west-1: " in run(*words)
    with pytest.raises(CloudRefused, match="is where the backup is: name another region"):
        run("backup", "copy", made, "--to", aws.REGION, "--stack", stack)
    result = CliRunner().invoke(application(["backup", "copy"]), ["backup", "copy", made, "--stack", stack])
    assert (result.exit_code, "name the backup and the region" in result.output) == (2, True)


def test_verify_says_what_a_cloud_cannot_do(stack: str) -> None:
    said = run("backup", "verify", "--stack", stack, code=1)  # the emulator's database is not encrypted
    assert "is not encrypted [backup_not_encrypted]" in said
    assert "None was opened, which no cloud can do: only a drill does (`cloudbill drill run`" in said
    document: dict[str, Any] = json.loads(run("backup", "verify", "--stack", stack, "--format", "json", code=1))
    assert (document["verified"], document["opened"]) == (False, False)


def test_people_are_told_what_happens_and_what_comes_next(stack: str) -> None:
    said = run("backup", "create", "--stack", stack)
    assert f"cloudbill restore --stack dev --to {aws.snapshots()[0]} --into NAME" in said
    said = run("restore", "--stack", stack, "--to", aws.snapshots()[0], "--into", "again")
    assert "in the private network of dev." in said
    assert "cloudbill restored drop again --stack dev" in said


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("backup", "create", "--application"), "--application"),
        (("backup", "verify", "--identity", "key.txt"), "--identity"),
        (("backup", "verify", "x"), "BACKUP"),
        (("restore", "--to", "2026-11-21T10:00:00", "--into", "x"), "names no time zone"),
    ],
)
def test_what_is_of_this_machine_only_is_refused(stack: str, words: tuple[str, ...], says: str) -> None:
    result = CliRunner().invoke(application(list(words)), [*words, "--stack", stack])
    assert result.exit_code == 2
    assert says in result.output


def test_a_stack_that_is_not_deployed_says_how(
    engine: Engine, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.root)
    engine.init("dev")
    with pytest.raises(InvalidRollout, match=r"deploy it first \(cloudbill deploy dev\)"):
        run("backup", "list", "--stack", "dev")


def test_an_unknown_stack_names_those_there_are(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(project.root)
    with pytest.raises(Exception, match="there is no stack 'nope'"):
        run("backup", "list", "--stack", "nope")
