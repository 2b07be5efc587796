"""Whether the installation could be recovered now: one line for each thing that it takes. Pure.

What was not seen lately is unknown, and nothing that was not tried counts as ready.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

State = Literal["ready", "attention", "not_ready", "unknown"]
WORST_FIRST: tuple[State, ...] = ("not_ready", "unknown", "attention", "ready")
FRESH = timedelta(minutes=5)
REPLICA_LATE = timedelta(minutes=5)
FIRST_DRILL_AFTER = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A part as it was seen last; `error` says why it could not be looked at since."""

    document: Mapping[str, Any]
    at: datetime
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class DrillFact:
    """A drill that is over, as its evidence has it."""

    scenario: str
    passed: bool
    at: datetime
    error: str | None = None
    findings: int = 0


@dataclass(frozen=True, kw_only=True)
class Facts:
    """All that is judged. `drills` are the newest first."""

    now: datetime
    backups: Seen | None
    standbys: Seen | None
    evidence: Seen | None
    is_managed: bool
    """Whether a cloud runs the database."""
    holds: Sequence[str]
    drills: Sequence[DrillFact]
    drill_interval: timedelta
    scenarios: Sequence[str]
    missing_runbooks: Sequence[str] = ()
    unseen: str | None = field(default=None)
    """Why a part was never seen, where that is known."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """One line of readiness: how it is, what that means, what to do."""

    key: str
    title: str
    state: State
    says: str
    do: str = ""
    runbook: str


def judge(facts: Facts) -> list[Item]:
    """In the order in which somebody would ask."""
    return [rule(facts) for rule in _RULES]


def overall(items: Sequence[Item]) -> State:
    """The worst of them."""
    found: set[State] = {item.state for item in items}
    for state in WORST_FIRST:
        if state in found:
            return state
    return "unknown"


def spoken(span: timedelta) -> str:
    """As in "40 s", "12 min", "5 h", "3 days"; what is over it is cut off."""
    seconds = max(0, int(span.total_seconds()))
    for least, size, unit in ((2 * 86400, 86400, "days"), (2 * 3600, 3600, "h"), (120, 60, "min")):
        if seconds >= least:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _fresh(seen: Seen | None, now: datetime) -> bool:
    return seen is not None and now - seen.at <= FRESH


def _not_seen(facts: Facts, seen: Seen | None, *, key: str, title: str, runbook: str) -> Item:
    if seen is None:
        says = facts.unseen or "The worker has not looked yet."
        do = "It looks every minute while it runs: see that the worker runs."
    else:
        why = f": {seen.error}" if seen.error else ""
        says = f"Last seen {spoken(facts.now - seen.at)} ago{why}."
        do = "What was seen then says nothing of now: see that the worker runs and may ask the cloud."
    return Item(key=key, title=title, state="unknown", says=says, do=do, runbook=runbook)


def _backup(facts: Facts) -> Item:
    about: dict[str, Any] = {"key": "backup", "title": "Last good backup", "runbook": "backup-failed"}
    seen = facts.backups
    if seen is None or not _fresh(seen, facts.now):
        return _not_seen(facts, seen, **about)
    document = seen.document
    troubles = [trouble for trouble in document["troubles"] if trouble["key"] not in ("log", "slot")]
    good = _instant(document["last_good_at"])
    if not document["are_made"]:
        return Item(
            **about, state="not_ready", says="No backups are made here.", do="`cloudbill backup watch` makes them."
        )
    if good is None:
        says = troubles[0]["summary"] if troubles else "There is none yet."
        do = "Take one now." if troubles else "The first one is taken within a minute of the start."
        return Item(**about, state="not_ready", says=says, do=do)
    says = f"Finished {spoken(facts.now - good)} ago."
    if troubles:
        state: State = "not_ready" if any(trouble["critical"] for trouble in troubles) else "attention"
        wrong = " ".join(trouble["summary"] for trouble in troubles)
        return Item(**about, state=state, says=f"{says} {wrong}", do="Follow the runbook, then take one now.")
    return Item(**about, state="ready", says=says)


def _window(facts: Facts) -> Item:
    about: dict[str, Any] = {"key": "window", "title": "Instants that can be restored", "runbook": "backup-failed"}
    seen = facts.backups
    if seen is None or not _fresh(seen, facts.now):
        return _not_seen(facts, seen, **about)
    stretches, holes = seen.document["stretches"], seen.document["holes"]
    if not stretches:
        says = "No instant can be restored, at most the end of a backup."
        return Item(**about, state="not_ready", says=says, do="A base backup and the log after it are needed.")
    start, end = _instant(stretches[0]["start"]), _instant(stretches[-1]["end"])
    assert start
    assert end
    says = f"Every instant of {spoken(end - start)}"
    if holes:
        reason = f" ({holes[-1]['reason']})" if holes[-1]["reason"] else ""
        says += f", but {len(holes)} hole{'s' if len(holes) > 1 else ''}{reason}."
        return Item(
            **about, state="attention", says=says, do="What fell into a hole is lost: find out what broke the log."
        )
    return Item(**about, state="ready", says=f"{says}, without a hole.")


def _log(facts: Facts) -> Item:
    about: dict[str, Any] = {"key": "log", "title": "What would be lost now", "runbook": "backup-failed"}
    seen = facts.backups
    if seen is None or not _fresh(seen, facts.now):
        return _not_seen(facts, seen, **about)
    ends = [end for stretch in seen.document["stretches"] if (end := _instant(stretch["end"]))]
    if not ends:
        return Item(**about, state="not_ready", says="All since the last backup.", do="Have the log archived.")
    behind = seen.at - max(ends)  # as it was when somebody looked: it has moved on since, as time has
    wrong = " ".join(trouble["summary"] for trouble in seen.document["troubles"] if trouble["key"] in ("log", "slot"))
    says = f"The last {spoken(behind)}."
    if wrong or behind.total_seconds() > seen.document["log_late_seconds"]:
        return Item(**about, state="not_ready", says=f"{says} {wrong}".strip(), do="Follow the runbook.")
    return Item(**about, state="ready", says=says)


def _keys(facts: Facts) -> Item:
    about: dict[str, Any] = {"key": "keys", "title": "Key that opens the backups", "runbook": "drills"}
    if facts.is_managed:
        return Item(**about, state="ready", says="The cloud's own key service holds it.")
    seen = facts.backups
    if seen is None or not _fresh(seen, facts.now):
        return _not_seen(facts, seen, **about)
    keys = seen.document["keys"]
    if not keys:
        return Item(**about, state="not_ready", says="There is no backup to open yet.")
    newest = keys[0]
    if newest["opens_here"]:
        do = "Keep a copy where this machine's fate does not reach: `cloudbill backup key` names the file."
        return Item(**about, state="ready", says=f"{newest['name']} is here.", do=do)
    do = "Without it nobody can restore. Try the copy that you keep: `cloudbill drill run --identity FILE`."
    return Item(**about, state="attention", says=f"{newest['name']} is not on this machine.", do=do)


def _standby(facts: Facts) -> Item:
    about: dict[str, Any] = {"key": "standby", "title": "Standby and replicas", "runbook": "replica-lag"}
    seen = facts.standbys
    if seen is None and not facts.is_managed:
        do = "A standby shortens the way: until there is one, the drills say what a restore takes."
        return Item(**about, state="attention", says="There is none: if this machine is lost, it is restored.", do=do)
    if seen is None or not _fresh(seen, facts.now):
        return _not_seen(facts, seen, **about)
    document = seen.document
    replicas: list[Mapping[str, Any]] = list(document["replicas"])
    says = [f"{document['name']} is {document['state']}"]
    if document["has_standby"]:
        healthy = document["standby_is_healthy"]
        says.append("its standby is " + {True: "healthy", False: "not healthy", None: "not described"}[healthy])
    for replica in replicas:
        lag = replica["lag_seconds"]
        behind = "lag unknown" if lag is None else f"{lag:.0f} s behind"
        says.append(f"{replica['name']} in {replica['region']} is {replica['state']}, {behind}")
    text = "; ".join(says) + "."
    if not document["is_serving"] or document["standby_is_healthy"] is False:
        return Item(**about, state="not_ready", says=text, do="Look into the cloud's console now.")
    if any(not replica["is_healthy"] for replica in replicas):
        return Item(**about, state="not_ready", says=text, do="A replica that cannot be promoted helps nobody.")
    lags: list[float | None] = [replica["lag_seconds"] for replica in replicas]
    if any(lag is not None and lag > REPLICA_LATE.total_seconds() for lag in lags):
        return Item(**about, state="not_ready", says=text, do="It is further behind than may be lost.")
    if not document["has_standby"] and not replicas:
        return Item(**about, state="attention", says=f"{text[:-1]}; nothing stands by.", do="A failover is a restore.")
    if None in lags:
        return Item(**about, state="unknown", says=text, do="Nobody says how far a replica is behind.")
    return Item(**about, state="ready", says=text)


def _hold(facts: Facts) -> Item:
    about: dict[str, Any] = {"key": "hold", "title": "Worker", "runbook": "worker-held"}
    if facts.holds:
        do = "Have what happened since fetched and let it go, below."
        return Item(**about, state="not_ready", says=f"Held: {'; '.join(facts.holds)}. No job runs.", do=do)
    return Item(**about, state="ready", says="Not held.")


def _drill(facts: Facts) -> Item:
    about: dict[str, Any] = {"key": "drill", "title": "Last drill", "runbook": "drills"}
    if not facts.drills:
        return Item(
            **about, state="not_ready", says="None was run yet: nobody knows that a restore works.", do="Run one."
        )
    last = facts.drills[0]
    age = facts.now - last.at
    if not last.passed:
        why = last.error or f"{last.findings} findings"
        says = f"The last one, {spoken(age)} ago, failed: {why}."
        return Item(**about, state="not_ready", says=says, do="Mend what it found, then run it again.")
    passed = {drill.scenario for drill in facts.drills if drill.passed and facts.now - drill.at <= facts.drill_interval}
    says = f"{spoken(age)} ago, passed ({last.scenario})."
    if age > facts.drill_interval:
        return Item(**about, state="attention", says=f"{says} Due every {spoken(facts.drill_interval)}.", do="Run one.")
    if untried := [scenario for scenario in facts.scenarios if scenario not in passed]:
        do = f"Not shown within {spoken(facts.drill_interval)}: {', '.join(untried)}."
        return Item(**about, state="ready", says=says, do=do)
    return Item(**about, state="ready", says=says)


def _evidence(facts: Facts) -> Item:
    about: dict[str, Any] = {"key": "evidence", "title": "Chain of the evidence", "runbook": "drills"}
    seen = facts.evidence
    if seen is None or not _fresh(seen, facts.now):
        return _not_seen(facts, seen, **about)
    if faults := list(seen.document["faults"]):
        do = "Somebody altered it, or a copy was put in place of it: find out who and what for."
        return Item(**about, state="not_ready", says=f"It does not hold: {faults[0]}.", do=do)
    return Item(**about, state="ready", says="It holds, and its end carries our signature.")


def _runbooks(facts: Facts) -> Item:
    about: dict[str, Any] = {"key": "runbook", "title": "Runbooks", "runbook": "drills"}
    if facts.missing_runbooks:
        says = f"Missing in this installation: {', '.join(facts.missing_runbooks)}."
        return Item(**about, state="attention", says=says, do="The repository has them in docs/runbooks.")
    return Item(**about, state="ready", says="Each line here has one that opens on this page.")


_RULES: tuple[Callable[[Facts], Item], ...] = (
    _backup,
    _window,
    _log,
    _keys,
    _standby,
    _hold,
    _drill,
    _evidence,
    _runbooks,
)
RUNBOOKS = ("backup-failed", "drills", "replica-lag", "worker-held")
"""Those that the lines name."""


def _instant(written: str | None) -> datetime | None:
    return datetime.fromisoformat(written) if written else None
