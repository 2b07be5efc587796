"""What a failover would do now, as the Disaster recovery page shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from console.figures import Moment, moment

Json = Mapping[str, Any]


@dataclass
class Check:
    """Something that a failover needs, or better had."""

    name: str = ""
    says: str = ""
    do: str = ""
    state: str = ""
    tone: str = ""


@dataclass
class Failover:
    """What one would do now."""

    known: bool = False
    seen: Moment = field(default_factory=Moment)
    state: str = ""
    tone: str = ""
    who: str = ""
    loss: str = ""
    loss_tone: str = ""
    error: str = ""
    checks: list[Check] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)


CHECKS = {
    "primary": "The primary",
    "standby": "A standby",
    "standby_answers": "The standby's copy",
    "lag": "How far it is behind",
    "fence": "The write fence",
    "mover": "The mover's login",
}


def read_plan(body: Json | None, now: datetime) -> Failover:
    """`failoverPlan` of `GET /operations/recovery`."""
    if body is None:
        return Failover()
    state, tone = ("it could be done now", "good") if body["isReady"] else ("it would be refused", "bad")
    if not body["isFresh"]:
        state, tone = "not known", "warn"
    to = body["standby"] or "nobody"
    return Failover(
        known=True,
        seen=moment(body["seenAt"], now),
        state=state,
        tone=tone,
        who=f"{body['primary']} at {body['endpoint']} → {to}",
        loss=body["loss"],
        loss_tone="good" if body["loss"].startswith("nothing") else "bad",
        error=_plain(body["error"] or ""),
        checks=[_check(entry) for entry in body["checks"]],
        steps=list(body["steps"]),
    )


def _check(entry: Json) -> Check:
    state, tone = "holds", "good"
    if not entry["holds"]:
        state, tone = ("missing", "bad") if entry["isNeeded"] else ("look at it", "warn")
    do = "" if entry["holds"] else _plain(entry["mend"] or "")
    return Check(CHECKS.get(entry["name"], entry["name"]), _plain(entry["detail"]), do, state, tone)


def _plain(text: str) -> str:
    """Without the marks of commands."""
    return text.replace("`", "")
