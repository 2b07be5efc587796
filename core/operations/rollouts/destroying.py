"""`cloudbill destroy`: a last backup, protections off, Pulumi's destroy, and what remains, with what it costs."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from core.operations.clouds.base import databases
from core.operations.rollouts.errors import NotConfirmed, ProgramRefused
from core.operations.rollouts.journal import Entry, Journal, Journals
from core.operations.rollouts.preflight import record
from core.operations.rollouts.program import Program, Say
from core.operations.rollouts.project import Project
from core.operations.rollouts.running import Skip, Step, run
from infra.costs import read_graph
from infra.costs.estimate import estimate
from infra.costs.usage import find_usage

STEPS = ("confirm", "backup", "unprotect", "destroy", "remains")
KIND = "destroy"
VARIABLE = "CLOUDBILL_TEARDOWN"
"""What the program takes its protections off for; a test holds it to the program's own word."""
_ENDING = {"aws:kms/key:Key": "is deleted after its waiting time (30 days in production); nothing is billed meanwhile"}
_REMOVED_BY = {
    "aws:backup/vault:Vault": "delete its recovery points (aws backup delete-recovery-point), then the vault",
    "aws:efs/fileSystem:FileSystem": "aws efs delete-file-system: the ledger's signed heads lie in it",
    "aws:kms/key:Key": "aws kms schedule-key-deletion, when nothing encrypted with it is wanted any more",
    "aws:s3/bucket:Bucket": "empty it (aws s3 rm --recursive), then aws s3api delete-bucket",
    "gcp:backupdisasterrecovery/backupVault:BackupVault": "gcloud backup-dr backup-vaults delete, after its retention",
    "gcp:kms/cryptoKey:CryptoKey": "gcloud kms keys versions destroy: the key itself can never be deleted",
    "gcp:logging/projectBucketConfig:ProjectBucketConfig": "gcloud logging buckets delete, after its retention",
    "gcp:storage/bucket:Bucket": "gcloud storage rm --recursive, after its retention",
}
"""Of what is kept, by type; what only belongs to it (a bucket's policy, a key's alias) goes with it."""


@dataclass(frozen=True, kw_only=True)
class Ending:
    """All that taking a stack down reaches. `confirmed` is the name that was typed, or given."""

    project: Project
    journals: Journals
    now: Callable[[], datetime]
    say: Say
    confirmed: Callable[[str], str]


@dataclass(frozen=True, kw_only=True)
class Remainder:
    """Something that outlives the stack."""

    what: str
    monthly: Decimal | None
    """USD; None where it depends on what lies in it."""
    how: str
    """How it is removed."""


def destroy(stack: str, around: Ending) -> list[Remainder]:
    """The whole way; one that stopped goes on where it stopped. Raises the error of the step that failed."""
    around.project.file(stack)
    with around.journals.only_one(stack):
        program = Program(around.project, stack)
        last = around.journals.find(stack, KIND)
        if last is None or last.is_over:
            last = Journal.begin(
                KIND,
                stack,
                digest=around.project.digest(stack),
                steps=list(STEPS),
                arguments={},
                now=around.now(),
            )
        else:
            around.say(f"resuming {last.id}, begun {last.started_at}")
            last.steps[0] = Entry(STEPS[0])  # asked anew each time
        last.attempts += 1
        ending = _Ending(stack, program, last, around)
        does = (ending.confirm, ending.backup, ending.unprotect, ending.destroy, ending.remains)
        steps = [Step(name, do) for name, do in zip(STEPS, does, strict=True)]
        run(last, steps, journals=around.journals, now=around.now, say=around.say)
        around.journals.graph(stack).unlink(missing_ok=True)
        return ending.left


class _Ending:
    def __init__(self, stack: str, program: Program, journal: Journal, around: Ending) -> None:
        self._stack, self._program, self._journal, self._around = stack, program, journal, around
        self.left: list[Remainder] = []

    def confirm(self, _: Entry) -> str:
        count = len(self._program.urns())
        typed = self._around.confirmed(
            f"This destroys all of {self._stack}: {count} resources, its database among them."
        )
        if typed != self._stack:
            raise NotConfirmed(f"what was typed is {typed!r} and not {self._stack!r}: nothing was changed")
        return f"{count} resources"

    def backup(self, entry: Entry) -> str:
        endpoint = self._program.outputs().plain.get("databaseEndpoint")
        if not endpoint:
            raise Skip("there is no database")
        place = self._around.project.place(self._stack)
        made = databases(place).snapshot(str(endpoint), f"cloudbill-{self._stack}-destroy-{self._journal.id}")
        entry.found = {"snapshot": made.name, "reference": made.reference, "database": made.database}
        return f"{made.name} of {made.database}"

    def unprotect(self, entry: Entry) -> str:
        project, stack = self._around.project, self._stack
        protected = json.loads(record(project, stack))
        free = _torn_down(project, stack)
        entry.found = {"remains": _kept(free)}
        before = {resource["urn"]: resource for resource in protected["resources"]}
        changed = [one["urn"] for one in free["resources"] if before.get(one["urn"]) != one]
        targets = sorted(set(changed) & self._program.urns())
        if not targets:
            raise Skip("nothing is protected")
        freeing = Program(project, stack, environment={VARIABLE: stack})
        freeing.up(self._tell, message=f"cloudbill destroy {self._journal.id}: protection off", targets=targets)
        return f"off {len(targets)} resources"

    def destroy(self, _: Entry) -> str:
        self._program.destroy(self._tell, message=f"cloudbill destroy {self._journal.id}")
        return "Pulumi's state holds no resource any more; its stack and its history stay"

    def remains(self, entry: Entry) -> str:
        remaining: list[dict[str, Any]] = self._journal.step("unprotect").found.get("remains") or []
        self.left = self._list(remaining, self._around.now().date())
        entry.found = {"remains": [one.what for one in self.left]}
        return f"{len(self.left)} things outlive it"

    def _list(self, remaining: list[dict[str, Any]], today: date) -> list[Remainder]:
        place = self._around.project.place(self._stack)
        priced = estimate(read_graph(record(self._around.project, self._stack)), usage=find_usage("base"), today=today)
        prices: dict[str, Decimal] = {}
        for line in priced.lines:
            if line.kind == "fixed":  # nobody uses it any more
                prices[line.resource] = prices.get(line.resource, Decimal()) + line.monthly
        found: list[Remainder] = []
        backup = self._journal.step("backup").found
        storage = sum((line.monthly for line in priced.lines if line.category == "backup"), Decimal())
        if backup:
            remove = (
                f"aws rds delete-db-snapshot --db-snapshot-identifier {backup['snapshot']}"
                if place.cloud == "aws"
                else f"gcloud sql backups delete {backup['reference']} --instance {backup['database']}"
            )
            found.append(Remainder(what=f"the last backup, {backup['snapshot']}", monthly=storage or None, how=remove))
        if place.cloud == "aws":
            final = f"cloudbill-{self._stack}-final"
            found += [
                Remainder(what=f"RDS's final snapshot, {final}", monthly=None,
                          how=f"aws rds delete-db-snapshot --db-snapshot-identifier {final}"),
                Remainder(what="RDS's automated backups, until their retention ends", monthly=None,
                          how="aws rds delete-db-instance-automated-backup"),
            ]  # fmt: skip
        else:
            found.append(
                Remainder(what="Cloud SQL's final backup and those it retains", monthly=None,
                          how="gcloud sql backups list, then gcloud sql backups delete")
            )  # fmt: skip
        for one in remaining:
            how = _ENDING[one["type"]] if one["ends"] else _REMOVED_BY[one["type"]]
            found.append(
                Remainder(what=one["name"], monthly=Decimal() if one["ends"] else prices.get(one["name"]), how=how)
            )
        found.append(
            Remainder(what="the bucket of Pulumi's state, its key, and the pipeline's identity", monthly=None,
                      how=f"pulumi stack rm {self._stack}; the rest when no stack of the account needs it")
        )  # fmt: skip
        return found

    def _tell(self, line: str) -> None:
        if line.strip():
            self._around.say(f"  {line}")


def _kept(graph: dict[str, Any]) -> list[dict[str, Any]]:
    """What the program lets go instead of deleting, and keys that wait for their end."""
    found: list[dict[str, Any]] = []
    for resource in graph["resources"]:
        is_kept = bool(resource.get("options", {}).get("retainOnDelete"))
        if (is_kept and resource["type"] in _REMOVED_BY) or (not is_kept and resource["type"] in _ENDING):
            found.append({"type": resource["type"], "name": resource["name"], "ends": not is_kept})
    return found


def _torn_down(project: Project, stack: str) -> dict[str, Any]:
    """The graph with its protections off. Raises ProgramRefused."""
    done = subprocess.run(
        [sys.executable, "-m", "infra.graph", stack],
        cwd=project.root,
        env={**os.environ, VARIABLE: stack},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    if done.returncode != 0:
        raise ProgramRefused(f"the program does not run for {stack}: {done.stderr.strip()[-500:]}")
    return json.loads(done.stdout)
