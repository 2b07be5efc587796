"""`cloudbill deploy`: preflight, snapshot, update, smoke test, record, notice; each once, and resumable."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from core.foundation.errors import CloudBillError
from core.operations.clouds.base import databases
from core.operations.deployments.recording import Keeper
from core.operations.deployments.sources import revision
from core.operations.rollouts.errors import InvalidRollout, NothingToResume, SmokeFailed
from core.operations.rollouts.journal import Entry, Journal, Journals, written
from core.operations.rollouts.preflight import Checked, check, tools
from core.operations.rollouts.program import Program, Say
from core.operations.rollouts.project import Project
from core.operations.rollouts.running import Skip, Step, run
from core.operations.rollouts.telling import tell

STEPS = ("preflight", "snapshot", "update", "smoke", "record", "notify")
KIND = "deploy"
_STATES = {"done": "succeeded", "skipped": "skipped", "failed": "failed"}
"""As a record says it; what has not ended is not in it."""
_CHANGING = ("snapshot", "update", "smoke")
"""The steps whose failure is recorded as a deployment that failed."""
_LONGEST_MESSAGE = 4000
SNAPSHOT_GOOD_FOR = timedelta(hours=24)
"""What was written since a snapshot is only in the log: a resumed deployment takes a new one after a day."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the operator asked for."""

    stack: str
    image: str | None = None
    collector: str | None = None
    build: bool = False
    resume: bool = False
    fresh: bool = False
    notify: str | None = None
    api: str | None = None
    """Where it is recorded; the stack's own API by default."""


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """All that a deployment reaches beyond its own sources; `smoke` answers the names of the steps that failed."""

    project: Project
    journals: Journals
    now: Callable[[], datetime]
    say: Say
    show: Callable[[Checked], None]
    confirm: Callable[[str], None]
    """Raises NotConfirmed."""
    smoke: Callable[[str], list[str]]
    email: str | None = None
    password: str | None = field(default=None, repr=False)
    notify_key: bytes | None = field(default=None, repr=False)
    notify_wait: float = 1


def preview(wanted: Wanted, around: Surroundings) -> dict[str, int]:
    """Preflight, then what Pulumi would do; nothing is created and nothing written but the graph."""
    program = Program(around.project, wanted.stack)
    around.show(_check(wanted.stack, around))
    return program.preview(around.say)


def deploy(wanted: Wanted, around: Surroundings) -> Journal:
    """The whole way. Raises the error of the step that failed; the next call goes on there."""
    if wanted.build and (wanted.image or wanted.collector):
        raise InvalidRollout("--build makes the images, --image and --collector name published ones: choose one")
    if wanted.resume and wanted.fresh:
        raise InvalidRollout("--resume goes on with the last deployment, --fresh starts anew: choose one")
    around.project.file(wanted.stack)
    with around.journals.only_one(wanted.stack):
        return _Deployment(wanted, around).run()


class _Deployment:
    def __init__(self, wanted: Wanted, around: Surroundings) -> None:
        self._wanted, self._around, self._stack = wanted, around, wanted.stack
        self._program = Program(around.project, wanted.stack)
        self._configure()
        self._journal = self._begin()

    def run(self) -> Journal:
        around, journal = self._around, self._journal
        journal.attempts += 1
        does = (self._preflight, self._snapshot, self._update, self._smoke, self._record, self._notify)
        steps = [Step(name, do) for name, do in zip(STEPS, does, strict=True)]
        try:
            run(journal, steps, journals=around.journals, now=around.now, say=around.say)
        except BaseException as error:
            self._record_failure()
            self._tell_of_failure(error)
            raise
        return journal

    def _configure(self) -> None:
        wanted, program = self._wanted, self._program
        now: dict[str, Any] = self._around.project.config(self._stack).get("release") or {}
        for key, value in (("image", wanted.image), ("collector", wanted.collector)):
            if value is not None and now.get(key) != value:
                program.set(f"cloudbill:release.{key}", value)
            elif wanted.build and key in now:
                program.unset(f"cloudbill:release.{key}")

    def _begin(self) -> Journal:
        around, wanted = self._around, self._wanted
        digest = around.project.digest(self._stack)
        last = around.journals.find(self._stack, KIND)
        if last is not None and not last.is_over and not wanted.fresh:
            if last.digest == digest:
                around.say(f"resuming {last.id}, begun {last.started_at}")
                return last
            if not last.step("update").is_over:
                # What was mended since is checked again; the database has not been touched, so its snapshot holds.
                around.say(f"resuming {last.id}, begun {last.started_at}, with sources that have changed since")
                last.digest, last.steps[0] = digest, Entry(STEPS[0])
                return last
            if wanted.resume:
                raise NothingToResume(
                    f"{last.id} has updated the stack from sources that have changed since: "
                    "a new deployment is needed, so leave out --resume"
                )
        elif wanted.resume:
            raise NothingToResume(f"no deployment of {self._stack} stopped on the way: leave out --resume")
        arguments = {"revision": revision(around.project.root)}
        return Journal.begin(KIND, self._stack, digest=digest, steps=list(STEPS), arguments=arguments, now=around.now())

    # The steps

    def _preflight(self, entry: Entry) -> str:
        checked = _check(self._stack, self._around)
        found = tools(checked.graph)
        self._around.show(checked)
        self._around.confirm(f"Deploy {self._stack}?")
        entry.found = {"monthly": str(checked.monthly), "policies": checked.policies, "rules": checked.rules_applied}
        return (
            f"{len(checked.graph['resources'])} resources, {checked.rules_held} rules hold, "
            f"{checked.monthly:,.2f} USD a month; found {', '.join(found)}"
        )

    def _snapshot(self, entry: Entry) -> str:
        around = self._around
        endpoint = self._program.outputs().plain.get("databaseEndpoint")
        if not endpoint:
            raise Skip("the first deployment: there is no database yet")
        name = f"cloudbill-{self._stack}-deploy-{self._journal.id}"
        if self._journal.attempts > 1 and _age(entry, around.now()) > SNAPSHOT_GOOD_FOR:
            name += f"-{self._journal.attempts}"
        made = databases(around.project.place(self._stack)).snapshot(str(endpoint), name)
        entry.found = {"snapshot": made.name, "reference": made.reference, "database": made.database}
        return f"{made.name} of {made.database}" + ("" if made.is_new else " (was there already)")

    def _update(self, entry: Entry) -> str:
        self._renew_old_snapshot()
        changes = self._program.up(
            lambda line: self._around.say(f"  {line}") if line.strip() else None,
            message=f"cloudbill deploy {self._journal.id}",
        )
        outputs = self._program.outputs()
        entry.found = {"changes": changes, "outputs": outputs.plain}
        # What the next deployment is compared with, from now on.
        self._around.journals.write(
            self._around.journals.graph(self._stack), _work(self._around, self._stack).read_text(encoding="utf-8")
        )
        return ", ".join(f"{count} {kind}" for kind, count in sorted(changes.items())) or "nothing changed"

    def _smoke(self, _: Entry) -> str:
        url = str(self._outputs().get("apiUrl") or "")
        if not url:
            raise SmokeFailed("the stack gives out no apiUrl: is infra/contract.py's list of outputs complete?")
        failed = self._around.smoke(url)
        if failed:
            raise SmokeFailed(
                f"{url} fails {', '.join(failed)}: see `cloudbill smoke {url}`; `cloudbill deploy {self._stack}` goes "
                "on here, and a former image goes back (docs/runbooks/rollback.md)"
            )
        return f"{url} passes"

    def _record(self, _: Entry) -> str:
        around = self._around
        if not (around.email and around.password):
            raise Skip("not recorded: set CLOUDBILL_EMAIL and CLOUDBILL_PASSWORD, an operator's sign-in, to record it")
        api = self._wanted.api or str(self._outputs()["apiUrl"])
        with Keeper.sign_in(api, email=around.email, password=around.password) as keeper:
            kept = keeper.keep(
                self._deployment("succeeded", finished_at=self._journal.step("smoke").finished_at),
                key=f"deployment-{self._journal.id}",
            )
        return f"{kept.get('deploymentId')} at {api}"

    def _notify(self, _: Entry) -> str:
        if self._wanted.notify is None:
            raise Skip("nobody is told: --notify URL")
        self._tell("succeeded", None)
        return "the webhook took the notice"

    # What they need

    def _renew_old_snapshot(self) -> None:
        entry = self._journal.step("snapshot")
        if entry.state == "done" and _age(entry, self._around.now()) > SNAPSHOT_GOOD_FOR:
            self._around.say("the snapshot is over a day old: taking a new one")
            entry.message, entry.finished_at = self._snapshot(entry), written(self._around.now())

    def _outputs(self) -> dict[str, Any]:
        return self._journal.step("update").found.get("outputs", {})

    def _deployment(self, outcome: str, *, finished_at: str | None) -> dict[str, Any]:
        """From what the journal holds alone: sent again under its key, it must be the same to the letter."""
        around, journal = self._around, self._journal
        work = _work(around, self._stack)
        return {
            "stack": self._stack,
            "cloud": around.project.place(self._stack).cloud,
            "kind": "deployed",
            "revision": journal.arguments.get("revision"),
            "version": self._outputs().get("image") or (None if outcome == "succeeded" else self._image()),
            "outcome": outcome,
            "startedAt": journal.started_at,
            "finishedAt": finished_at,
            "graph": _json(work),
            "outputs": self._outputs(),
            "policies": journal.step("preflight").found.get("policies"),
            "policyRules": journal.step("preflight").found.get("rules"),
            "steps": [
                {
                    "name": step.name,
                    "state": _STATES[step.state],
                    "startedAt": step.started_at,
                    "finishedAt": step.finished_at,
                    "message": step.message[:_LONGEST_MESSAGE],
                }
                for step in journal.steps
                if step.state in _STATES
            ],
        }

    def _tell(self, outcome: str, reason: str | None) -> None:
        around, journal = self._around, self._journal
        assert self._wanted.notify is not None
        notice = {
            "type": f"deployment.{outcome}",
            "timestamp": written(around.now()),
            "data": {
                "deployment": journal.id,
                "stack": self._stack,
                "revision": journal.arguments.get("revision"),
                "attempt": journal.attempts,
                "apiUrl": self._outputs().get("apiUrl"),
                "consoleUrl": self._outputs().get("consoleUrl"),
                "steps": {step.name: step.state for step in journal.steps},
                "reason": reason,
            },
        }
        tell(
            self._wanted.notify,
            message_id=f"deployment-{journal.id}-{outcome}" + (f"-{journal.attempts}" if reason else ""),
            notice=notice,
            key=around.notify_key,
            now=around.now(),
            wait=around.notify_wait,
        )

    def _image(self) -> str | None:
        """The published one that was to be deployed; None where it is built on the way."""
        release: dict[str, Any] = self._around.project.config(self._stack).get("release") or {}
        return release.get("image")

    def _record_failure(self) -> None:
        """One record an attempt, with the step that failed; as well as it goes, like telling of it."""
        around, journal = self._around, self._journal
        failed = next((step for step in journal.steps if step.state == "failed"), None)
        if failed is None or failed.name not in _CHANGING or not (around.email and around.password):
            return  # before that nothing was reached, and after it the deployment itself has succeeded
        try:
            api = self._wanted.api or self._outputs().get("apiUrl") or self._program.outputs().plain.get("apiUrl")
            if not api:
                return  # a first deployment: there is nobody yet to record it
            with Keeper.sign_in(str(api), email=around.email, password=around.password) as keeper:
                keeper.keep(
                    self._deployment("failed", finished_at=failed.finished_at),
                    key=f"deployment-{journal.id}-failed-{journal.attempts}",
                )
        except CloudBillError as unrecorded:
            around.say(f"the failure was not recorded: {unrecorded.detail}")

    def _tell_of_failure(self, error: BaseException) -> None:
        """As well as it goes: what stopped the deployment is what its caller must hear of."""
        if self._wanted.notify is None or self._journal.step("notify").state == "failed":
            return
        try:
            self._tell("failed", error.detail if isinstance(error, CloudBillError) else type(error).__name__)
        except CloudBillError as untold:
            self._around.say(f"the failure was not told: {untold.detail}")


def _check(stack: str, around: Surroundings) -> Checked:
    around.journals.folder.mkdir(parents=True, exist_ok=True)
    return check(
        around.project,
        stack,
        before=around.journals.graph(stack),
        work=_work(around, stack),
        today=around.now().date(),
    )


def _work(around: Surroundings, stack: str) -> Path:
    return around.journals.folder / f"{stack}.next.json"


def _json(path: Path) -> Any:
    import orjson

    return orjson.loads(path.read_bytes())


def _age(entry: Entry, now: datetime) -> timedelta:
    return now - datetime.fromisoformat(entry.finished_at) if entry.finished_at else timedelta()
