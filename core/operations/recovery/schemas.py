"""Bodies of backups, recovery and drills."""

from typing import Annotated, Any, Literal

from pydantic import Field

from core.foundation.schemas import Answer, Body, Instant, Text
from core.operations.recovery.models import RunState

State = Literal["ready", "attention", "not_ready", "unknown"]
Verdict = Literal["met", "missed", "small", "stale", "untested"]


class PlaceAnswer(Answer):
    """Where the backups lie: a folder of this machine, or a cloud's database."""

    cloud: str
    name: str
    region: str | None = None
    project: str | None = None


class BackupAnswer(Answer):
    """One backup, by the name that a restore takes. `of`: database or application (configuration and secrets)."""

    name: str
    of: str
    started_at: Instant | None
    finished_at: Instant
    size_bytes: int
    plain_bytes: int | None
    reason: str
    version: str | None
    keys: list[str]


class SpanAnswer(Answer):
    """Every instant from start to end can be restored."""

    start: Instant
    end: Instant


class HoleAnswer(SpanAnswer):
    """No instant between start and end can be restored."""

    reason: str | None


class KeyAnswer(Answer):
    """A public key that backups are sealed to, by name; whether the worker's machine can open them."""

    name: str
    opens_here: bool
    backups: int


class TroubleAnswer(Answer):
    """What is wrong with the backups now, and what to do: GET /operations/runbooks/{runbook}."""

    key: str
    summary: str
    critical: bool
    runbook: str


class StepAnswer(Answer):
    """A step of a run; it is under way while it has no end."""

    name: str
    state: Literal["running", "done", "failed"]
    started_at: Instant
    finished_at: Instant | None
    seconds: float | None


class RunAnswer(Answer):
    """A drill or a backup that somebody started, or the schedule. `lost`: its worker died, and it has no result."""

    run_id: str
    what: str
    state: RunState
    requested_at: Instant
    requested_by: str | None
    started_at: Instant | None
    finished_at: Instant | None
    doing: str | None
    steps: list[StepAnswer]
    error: str | None
    result: dict[str, Any] | None


class BackupsAnswer(Answer):
    """How the backups stand, as the worker saw them at `seen_at`; an `error` says why it could not look since."""

    seen_at: Instant | None
    error: str | None
    is_fresh: bool
    place: PlaceAnswer | None
    data: list[BackupAnswer]
    stretches: list[SpanAnswer]
    points: list[Instant]
    holes: list[HoleAnswer]
    last_good_at: Instant | None
    next_due_at: Instant | None
    interval_seconds: float | None
    retention_seconds: float | None
    log_behind_seconds: float | None
    keys: list[KeyAnswer]
    troubles: list[TroubleAnswer]
    runs: list[RunAnswer]


class Started(Answer):
    """It waits for the worker."""

    run_id: str


class ItemAnswer(Answer):
    """A line of readiness: how it is, what that means, what to do."""

    key: str
    title: str
    state: State
    says: str
    do: str
    runbook: str


class MeasuredAnswer(Answer):
    """What a drill measured, and on how much."""

    evidence: int
    scenario: str
    measured_at: Instant
    rpo_seconds: float | None
    rto_seconds: float | None
    entries: int
    database_bytes: int


class ComparisonAnswer(Answer):
    """A target beside what was measured. `small`: within it, on too little to say much; `stale`: long ago."""

    name: str
    rpo_target_seconds: int
    rto_target_seconds: int
    measured: MeasuredAnswer | None
    rpo: Verdict
    rto: Verdict


class ScenarioAnswer(ComparisonAnswer):
    """What can be practised here. `confirm` is what starting it takes, where it takes a word."""

    does: str
    confirm: str | None


class HoldAnswer(Answer):
    """Why the worker of a restored copy waits; `state_of` is the instant that the copy is of."""

    hold_id: str
    reason: str
    state_of: Instant
    held_at: Instant


class CommandAnswer(Answer):
    """What is done on the server, not from here."""

    command: str
    does: str


class CheckAnswer(Answer):
    """Something that a failover needs (`isNeeded`), or better had; what to do where it does not hold."""

    name: str
    holds: bool
    is_needed: bool
    detail: str
    mend: str | None


class FailoverAnswer(Answer):
    """What `cloudbill failover run` would do at `seenAt`, what is missing and what would be lost; nothing was changed.

    `error` says why it was not seen since. Not `isFresh`: what is said may not hold any more.
    """

    seen_at: Instant
    is_fresh: bool
    error: str | None
    is_ready: bool
    primary: str
    endpoint: str
    standby: str | None
    loss: str
    checks: list[CheckAnswer]
    steps: list[str]


class RecoveryAnswer(Answer):
    """Whether the installation could be recovered now, and what was measured. In a cloud drills are started there."""

    state: State
    items: list[ItemAnswer]
    place: str
    places: list[ComparisonAnswer]
    scenarios: list[ScenarioAnswer]
    holds: list[HoldAnswer]
    drill_interval_seconds: float
    days_since_drill: int | None
    drills_start_here: bool
    evidence_faults: list[str] | None
    failover: list[CommandAnswer]
    failover_plan: FailoverAnswer | None


class DrillBody(Body):
    """What is to be practised; `confirm` repeats the scenario's name where it asks for that."""

    scenario: Annotated[Text, Field(min_length=1, max_length=40, examples=["pitr"])]
    confirm: Annotated[Text, Field(max_length=40)] | None = None


class ReleaseBody(Body):
    """Why the worker may go on. `confirm` is the word release."""

    reason: Annotated[Text, Field(min_length=3, max_length=500, examples=["the copy was checked, Stripe agrees"])]
    confirm: Literal["release"]


class ReleasedAnswer(Answer):
    """It goes on. `events` of the payment provider were fetched first, and `numbers` of invoices and credit notes that
    may have been issued in the lost time were skipped; `evidence` has it."""

    holds: int
    events: int
    numbers: int
    evidence: int


class DrillRow(Answer):
    """A drill that runs, or ran. `id` names its run, or its evidence where it was started on the server."""

    drill_id: str
    scenario: str
    state: RunState
    at: Instant
    started_by: str | None
    is_scheduled: bool
    evidence: int | None
    hash: str | None
    rpo_seconds: float | None
    rto_seconds: float | None
    entries: int | None
    database_bytes: int | None
    findings: int | None
    error: str | None


class DrillPage(Answer):
    """A page of drills. `faults` is what is wrong with the chain of the evidence; null where nobody looked lately."""

    data: list[DrillRow]
    next_cursor: str | None
    faults: list[str] | None


class DrillAnswer(DrillRow):
    """All of one. `document` is its evidence to the letter: `hash` is the SHA-256 of `previous_hash` and it."""

    requested_at: Instant | None
    started_at: Instant | None
    finished_at: Instant | None
    doing: str | None
    steps: list[StepAnswer]
    expected_seconds: dict[str, float]
    previous_hash: str | None
    recorded_at: Instant | None
    document: str | None
