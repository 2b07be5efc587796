"""How much of a week a resource is up: read from the schedules that really stop and start it."""

import base64
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, cast

from infra.graph import Graph, Resource

DAY = 24 * 60
WEEK = 7 * DAY
DAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")

Turn = tuple[int, bool]
"""A minute of the week, Monday 0:00 first, and whether the resource is up from then on."""


def awake(graph: Graph, resource: Resource) -> Decimal:
    """The part of a week for which it is up; 1 where nothing stops it."""
    turns = sorted(turn for schedule in _schedules(graph, resource) for turn in schedule)
    if all(up for _, up in turns):
        return Decimal(1)
    up_minutes = 0
    for place, (minute, up) in enumerate(turns):
        following = turns[(place + 1) % len(turns)][0] + (WEEK if place + 1 == len(turns) else 0)
        up_minutes += (following - minute) * up
    return Decimal(up_minutes) / WEEK


def _schedules(graph: Graph, resource: Resource) -> Iterator[Sequence[Turn]]:
    mark = f"${{{resource.name}."
    for schedule in graph.of_type("aws:scheduler/schedule:Schedule"):
        target: Mapping[str, Any] = schedule.inputs.get("target") or {}
        if mark in str(target.get("input", "")):
            up = str(target.get("arn", "")).rpartition(":")[2].startswith("start")
            yield _turns(str(schedule.inputs["scheduleExpression"]), up=up)
    targets = [
        target.name
        for target in graph.of_type("aws:appautoscaling/target:Target")
        if mark in str(target.inputs.get("resourceId", ""))
    ]
    for action in graph.of_type("aws:appautoscaling/scheduledAction:ScheduledAction"):
        if any(f"${{{name}." in str(action.inputs.get("resourceId", "")) for name in targets):
            scaled: Mapping[str, Any] = action.inputs.get("scalableTargetAction") or {}
            yield _turns(str(action.inputs["schedule"]), up=int(scaled.get("maxCapacity", 1)) > 0)
    for job in graph.of_type("gcp:cloudscheduler/job:Job"):
        call: Mapping[str, Any] = job.inputs.get("httpTarget") or {}
        if mark in str(call.get("uri", "")):
            up = _turns_on(str(call.get("body", "")))
            if up is not None:
                yield _turns(str(job.inputs["schedule"]), up=up)


def _turns_on(body: str) -> bool | None:
    """What a call to Google's API asks for; None where it neither stops nor starts."""
    try:
        asked: Any = json.loads(base64.b64decode(body))
    except ValueError:
        return None
    if not isinstance(asked, dict):
        return None
    parts = cast("dict[str, dict[str, Any]]", asked)
    policy = (parts.get("settings") or {}).get("activationPolicy")
    if policy is not None:
        return bool(policy == "ALWAYS")
    count = (parts.get("scaling") or {}).get("manualInstanceCount")
    return None if count is None else int(count) > 0


def _turns(expression: str, *, up: bool) -> list[Turn]:
    """`cron(15 20 ? * MON-FRI *)` as AWS writes it, or `0 20 * * 1-5`: minute, hour, and days of the week."""
    fields = expression.removeprefix("cron(").removesuffix(")").split()
    assert len(fields) in (5, 6), f"{expression} is no schedule"
    minute, hour, days = int(fields[0]), int(fields[1]), fields[4]
    return [(day * DAY + hour * 60 + minute, up) for day in _days(days, amazon=len(fields) == 6)]


def _days(text: str, *, amazon: bool) -> list[int]:
    if text in ("*", "?"):
        return list(range(7))
    found: list[int] = []
    for part in text.split(","):
        ends = [_day(end, amazon=amazon) for end in re.split("-", part)]
        found += range(ends[0], ends[-1] + 1)
    return found


def _day(text: str, *, amazon: bool) -> int:
    """Monday is 0. Amazon counts Sunday as 1, crontab as 0 or 7."""
    if text.upper() in DAYS:
        return DAYS.index(text.upper())
    return (int(text) - (2 if amazon else 1)) % 7
