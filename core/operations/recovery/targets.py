"""The targets beside what was measured. Pure: what was not measured, or long ago, or on little, is never "met"."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

Verdict = Literal["met", "missed", "small", "stale", "untested"]
RPO_SECONDS = 300
RTO_SECONDS = {"local": 3600, "aws": 3600, "gcp": 1800}
"""By the place where the installation runs."""
ENTRIES_ENOUGH = 1_000_000
"""Ledger entries below which a time says little about a large installation."""
HEADLINE = "pitr"
"""The drill of the disaster that the targets are about: all is lost now."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What one drill measured, and on how much."""

    evidence: int
    scenario: str
    place: str
    at: datetime
    rpo_seconds: float | None
    rto_seconds: float | None
    entries: int
    database_bytes: int


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A target for a place or a scenario, and the newest passed drill that says something about it."""

    name: str
    rpo_target_seconds: int
    rto_target_seconds: int
    measured: Measured | None
    rpo: Verdict
    rto: Verdict


def measured(number: int, document: dict[str, Any], at: datetime) -> Measured | None:
    """Out of a drill's evidence; None where the drill failed: its times are of nothing."""
    if not document.get("passed"):
        return None
    checked: dict[str, Any] = document.get("checked") or {}
    return Measured(
        evidence=number,
        scenario=document["scenario"],
        place=document.get("place") or "local",
        at=at,
        rpo_seconds=document.get("rpo_seconds"),
        rto_seconds=document.get("rto_seconds"),
        entries=checked.get("entries") or 0,
        database_bytes=document.get("database_bytes") or 0,
    )


def by_place(found: Sequence[Measured], *, now: datetime, interval: timedelta) -> list[Comparison]:
    """All places, whether or not anything was measured there; `found` has the newest first."""
    return [
        _compare(
            place,
            target,
            next((one for one in found if one.place == place and one.scenario == HEADLINE), None),
            now=now,
            interval=interval,
        )
        for place, target in RTO_SECONDS.items()
    ]


def by_scenario(
    scenarios: Sequence[str], found: Sequence[Measured], *, place: str, now: datetime, interval: timedelta
) -> list[Comparison]:
    """Each scenario where the installation runs."""
    return [
        _compare(
            scenario,
            RTO_SECONDS[place],
            next((one for one in found if one.place == place and one.scenario == scenario), None),
            now=now,
            interval=interval,
        )
        for scenario in scenarios
    ]


def _compare(name: str, target: int, found: Measured | None, *, now: datetime, interval: timedelta) -> Comparison:
    def verdict(seconds: float | None, most: int) -> Verdict:
        if found is None or seconds is None:
            return "untested"
        if seconds > most:
            return "missed"
        if now - found.at > interval:
            return "stale"
        return "small" if found.entries < ENTRIES_ENOUGH else "met"

    return Comparison(
        name=name,
        rpo_target_seconds=RPO_SECONDS,
        rto_target_seconds=target,
        measured=found,
        rpo=verdict(found.rpo_seconds if found else None, RPO_SECONDS),
        rto=verdict(found.rto_seconds if found else None, target),
    )
