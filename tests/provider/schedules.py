"""What neither the provider nor Google's documents judge: schedules. A bad one is refused by the service only.

Sources: EventBridge Scheduler, schedule types (cron of six fields, one of the two days is `?`); Cloud Scheduler, cron
job format (five fields).
"""

import re
from collections.abc import Iterator
from typing import Any

from infra.graph import Graph

KEYS = ("schedule", "scheduleExpression")
_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
_DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
_AWS = (
    ("minute", 0, 59, []),
    ("hour", 0, 23, []),
    ("day of the month", 1, 31, []),
    ("month", 1, 12, _MONTHS),
    ("day of the week", 1, 7, _DAYS),
    ("year", 1970, 2199, []),
)
_GOOGLE = (*_AWS[:4], ("day of the week", 0, 7, _DAYS))


def problems(graph: Graph) -> Iterator[str]:
    """Of all schedules of a graph: each with the resource and what is wrong."""
    for resource in graph.resources:
        if resource.custom:
            for text in _schedules(resource.inputs):
                for problem in _of_google(text) if resource.type.startswith("gcp:") else _of_aws(text):
                    yield f"{resource.name} ({resource.type}): {text!r}: {problem}"


def _schedules(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _schedules(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key in KEYS and isinstance(item, str):
                yield item
            else:
                yield from _schedules(item)


def _of_aws(text: str) -> Iterator[str]:
    if re.fullmatch(r"rate\([1-9]\d* (minute|hour|day)s?\)|at\(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\)", text):
        return
    match = re.fullmatch(r"cron\((.*)\)", text)
    if match is None:
        yield "it must be cron(...), rate(...) or at(...)"
        return
    fields = match[1].split()
    if len(fields) != len(_AWS):
        yield f"it has {len(fields)} fields: minute, hour, day of the month, month, day of the week and year"
        return
    if (fields[2], fields[4]).count("?") != 1:
        yield "one of the day of the month and the day of the week must be ?, and only one"
    for field, (name, least, most, words) in zip(fields, _AWS, strict=True):
        if field != "?" or name not in ("day of the month", "day of the week"):
            yield from _field_problems(field, name, least, most, words)


def _of_google(text: str) -> Iterator[str]:
    fields = text.split()
    if len(fields) != len(_GOOGLE):
        yield f"it has {len(fields)} fields: minute, hour, day of the month, month and day of the week"
        return
    for field, (name, least, most, words) in zip(fields, _GOOGLE, strict=True):
        yield from _field_problems(field, name, least, most, words)


def _field_problems(field: str, name: str, least: int, most: int, words: list[str]) -> Iterator[str]:
    for part in field.split(","):
        if name.startswith("day") and re.fullmatch(r"LW?|\d{1,2}W|[1-7](L|#[1-5])", part):
            continue  # the last, the nearest weekday, the n-th of a month
        span, _, step = part.partition("/")
        ends = [] if span == "*" else span.split("-")
        numbers = [words.index(end) + 1 if end in words else int(end) if end.isdigit() else -1 for end in ends]
        fits = all(number in range(least, most + 1) for number in numbers) and len(ends) <= 2
        if not fits or (numbers != sorted(numbers)) or (step and not step.isdigit()):
            yield f"{part!r} is no {name}"
