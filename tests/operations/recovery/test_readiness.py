"""What readiness says: nothing that was not seen lately or never tried counts as ready."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.operations.clouds.base import Span, StoredBackup
from core.operations.recovery.looking import managed_troubles
from core.operations.recovery.readiness import DrillFact, Facts, Item, Seen, judge, overall, spoken
from core.operations.recovery.targets import Measured, by_place, by_scenario, measured
from core.operations.recovery.timeline import Hole, timeline

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
QUARTER = timedelta(days=91)
MINUTE = timedelta(minutes=1)


def ago(span: timedelta) -> str:
    return (NOW - span).isoformat()


BACKUPS: dict[str, Any] = {
    "are_made": True,
    "last_good_at": ago(timedelta(hours=3)),
    "stretches": [{"start": ago(timedelta(days=5)), "end": ago(timedelta(seconds=8))}],
    "holes": [],
    "log_late_seconds": 300,
    "keys": [{"name": "0123456789abcdef", "opens_here": True, "backups": 5}],
    "troubles": [],
}
STANDBY: dict[str, Any] = {
    "name": "cloudbill-prod",
    "state": "available",
    "is_serving": True,
    "has_standby": True,
    "standby_is_healthy": True,
    "replicas": [
        {"name": "r1", "region": "us-west-2", "state": "available", "is_healthy": True, "lag_seconds": 2.4},
    ],
}
FINE = Facts(
    now=NOW,
    backups=Seen(document=BACKUPS, at=NOW),
    standbys=Seen(document=STANDBY, at=NOW),
    evidence=Seen(document={"faults": []}, at=NOW),
    is_managed=False,
    holds=[],
    drills=[DrillFact(scenario="pitr", passed=True, at=NOW - timedelta(days=12))],
    drill_interval=QUARTER,
    scenarios=("pitr",),
)


def told(facts: Facts) -> dict[str, Item]:
    return {item.key: item for item in judge(facts)}


def with_backups(**changes: Any) -> Facts:
    return replace(FINE, backups=Seen(document={**BACKUPS, **changes}, at=NOW))


def with_standby(**changes: Any) -> Facts:
    return replace(FINE, standbys=Seen(document={**STANDBY, **changes}, at=NOW))


def test_all_is_ready_where_all_is_well() -> None:
    items = told(FINE)
    assert {item.state for item in items.values()} == {"ready"}
    assert overall(list(items.values())) == "ready"
    assert items["backup"].says == "Finished 3 h ago."
    assert items["log"].says == "The last 8 s."
    assert items["window"].says == "Every instant of 4 days, without a hole."
    assert items["drill"].says == "12 days ago, passed (pitr)."


@pytest.mark.parametrize(
    ("facts", "key", "state", "says"),
    [
        (replace(FINE, backups=None), "backup", "unknown", "has not looked yet"),
        (replace(FINE, backups=None, unseen="access_denied: rds:Describe"), "backup", "unknown", "access_denied"),
        (
            replace(FINE, backups=Seen(document=BACKUPS, at=NOW - 6 * MINUTE, error="cloud_unreachable: no answer")),
            "window",
            "unknown",
            "Last seen 6 min ago: cloud_unreachable: no answer.",
        ),
        (with_backups(last_good_at=None, stretches=[]), "backup", "not_ready", "There is none yet"),
        (with_backups(last_good_at=None, stretches=[]), "log", "not_ready", "All since the last backup"),
        (with_backups(are_made=False), "backup", "not_ready", "No backups are made"),
        (
            with_backups(troubles=[{"key": "failed", "summary": "2 attempts failed: disk full.", "critical": True}]),
            "backup",
            "not_ready",
            "disk full",
        ),
        (
            with_backups(stretches=[{"start": ago(timedelta(days=5)), "end": ago(6 * MINUTE)}]),
            "log",
            "not_ready",
            "The last 6 min.",
        ),
        (
            with_backups(
                holes=[{"start": ago(timedelta(days=2)), "end": ago(timedelta(days=1)), "reason": "slot lost"}]
            ),
            "window",
            "attention",
            "1 hole (slot lost)",
        ),
        (
            with_backups(keys=[{"name": "k", "opens_here": False, "backups": 1}]),
            "keys",
            "attention",
            "not on this machine",
        ),
        (replace(FINE, standbys=None), "standby", "attention", "There is none"),
        (replace(FINE, standbys=None, is_managed=True), "standby", "unknown", "has not looked yet"),
        (with_standby(standby_is_healthy=False), "standby", "not_ready", "not healthy"),
        (with_standby(has_standby=False, replicas=[]), "standby", "attention", "nothing stands by"),
        (
            with_standby(replicas=[{**STANDBY["replicas"][0], "lag_seconds": 301.0}]),
            "standby",
            "not_ready",
            "301 s behind",
        ),
        (with_standby(replicas=[{**STANDBY["replicas"][0], "lag_seconds": None}]), "standby", "unknown", "lag unknown"),
        (
            with_standby(replicas=[{**STANDBY["replicas"][0], "is_healthy": False, "state": "failed"}]),
            "standby",
            "not_ready",
            "is failed",
        ),
        (replace(FINE, holds=["restored as x"]), "hold", "not_ready", "restored as x"),
        (replace(FINE, drills=[]), "drill", "not_ready", "None was run yet"),
        (
            replace(FINE, drills=[DrillFact(scenario="pitr", passed=False, at=NOW, findings=3), *FINE.drills]),
            "drill",
            "not_ready",
            "failed: 3 findings",
        ),
        (
            replace(FINE, drills=[DrillFact(scenario="pitr", passed=True, at=NOW - QUARTER - MINUTE)]),
            "drill",
            "attention",
            "Due every 91 days",
        ),
        (
            replace(FINE, evidence=Seen(document={"faults": ["evidence 1 was altered"]}, at=NOW)),
            "evidence",
            "not_ready",
            "evidence 1 was altered",
        ),
        (replace(FINE, missing_runbooks=["drills"]), "runbook", "attention", "drills"),
    ],
)
def test_what_is_wrong_or_not_known_is_said(facts: Facts, key: str, state: str, says: str) -> None:
    item = told(facts)[key]
    assert item.state == state
    assert says in item.says
    assert item.do or state == "ready"
    assert overall(judge(facts)) == state


def drilled(**changes: Any) -> Measured:
    given: dict[str, Any] = {
        "evidence": 4,
        "scenario": "pitr",
        "place": "local",
        "at": NOW - timedelta(days=3),
        "rpo_seconds": 3.6,
        "rto_seconds": 78.0,
        "entries": 1_026_000,
        "database_bytes": 545_000_000,
    }
    return Measured(**{**given, **changes})


@pytest.mark.parametrize(
    ("found", "rpo", "rto"),
    [
        ([], "untested", "untested"),
        ([drilled()], "met", "met"),
        ([drilled(entries=999_999)], "small", "small"),
        ([drilled(rpo_seconds=301)], "missed", "met"),
        ([drilled(rto_seconds=3601)], "met", "missed"),
        ([drilled(rto_seconds=None)], "met", "untested"),
        ([drilled(at=NOW - QUARTER - MINUTE)], "stale", "stale"),
        ([drilled(scenario="snapshot")], "untested", "untested"),
        ([drilled(place="aws")], "untested", "untested"),
    ],
)
def test_only_what_was_measured_here_lately_and_on_enough_is_met(found: list[Measured], rpo: str, rto: str) -> None:
    here = by_place(found, now=NOW, interval=QUARTER)[0]
    assert (here.name, here.rpo_target_seconds, here.rto_target_seconds) == ("local", 300, 3600)
    assert (here.rpo, here.rto) == (rpo, rto)


def test_what_was_measured_on_this_machine_says_nothing_of_a_cloud() -> None:
    compared = by_place([drilled()], now=NOW, interval=QUARTER)
    assert [(one.name, one.rto_target_seconds, one.rto) for one in compared] == [
        ("local", 3600, "met"),
        ("aws", 3600, "untested"),
        ("gcp", 1800, "untested"),
    ]
    (snapshot,) = by_scenario(["snapshot"], [drilled()], place="local", now=NOW, interval=QUARTER)
    assert (snapshot.rpo, snapshot.measured) == ("untested", None)


def test_the_times_of_a_failed_drill_are_of_nothing() -> None:
    assert measured(1, {"passed": False, "scenario": "pitr", "rto_seconds": 1.0}, NOW) is None


def test_stretches_join_where_they_touch_and_a_hole_has_its_reason() -> None:
    def at(hour: int) -> datetime:
        return NOW.replace(hour=hour)

    line = timeline(
        [
            Span(start=at(6), end=at(8)),
            Span(start=at(1), end=at(3)),
            Span(start=at(2), end=at(4)),
            Span(start=at(5), end=at(5)),
            Span(start=at(7), end=at(7)),
        ],
        reasons=[(at(4), "the log lacks a segment")],
    )
    assert [(span.start, span.end) for span in line.stretches] == [(at(1), at(4)), (at(6), at(8))]
    assert [(hole.start, hole.end, hole.reason) for hole in line.holes] == [(at(4), at(6), "the log lacks a segment")]
    assert line.points == [at(5)]
    broken = [(at(3), "the slot was lost")]
    young = timeline([Span(start=at(1), end=at(2)), Span(start=at(4), end=at(4))], reasons=broken)
    assert [(hole.start, hole.end) for hole in young.holes] == [(at(2), at(4))]
    assert timeline([Span(start=at(1), end=at(2)), Span(start=at(4), end=at(4))]).holes == []
    # The log of the first was lost before it led any further.
    instants = [Span(start=at(1), end=at(1)), Span(start=at(4), end=at(4))]
    assert timeline(instants, reasons=[(at(2), "the replication slot was lost")]).holes == [
        Hole(start=at(1), end=at(4), reason="the replication slot was lost")
    ]
    assert timeline(instants).holes == []


def test_what_a_cloud_says_of_its_backups_is_judged_like_ours() -> None:
    made = [StoredBackup(name="a", finished_at=NOW - timedelta(hours=37), size_bytes=1, reason="automated")]
    assert [one["key"] for one in managed_troubles([], [], now=NOW)] == ["missing", "log"]
    assert [one["key"] for one in managed_troubles(made, [NOW - 11 * MINUTE], now=NOW)] == ["missing", "log"]
    young = [replace(made[0], finished_at=NOW - timedelta(hours=35))]
    assert managed_troubles(young, [NOW - 9 * MINUTE], now=NOW) == []


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (timedelta(seconds=-3), "0 s"),
        (timedelta(seconds=119), "119 s"),
        (timedelta(seconds=120), "2 min"),
        (timedelta(minutes=119), "119 min"),
        (timedelta(hours=47), "47 h"),
        (timedelta(days=91), "91 days"),
    ],
)
def test_spans_are_spoken(span: timedelta, text: str) -> None:
    assert spoken(span) == text
