"""Which instants can be restored, as stretches with holes between them. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from core.operations.clouds.base import Span


@dataclass(frozen=True, kw_only=True)
class Hole:
    """Between two stretches: no instant in it can be restored."""

    start: datetime
    end: datetime
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """`stretches` without overlap, oldest first; `points` are single instants outside of them."""

    stretches: list[Span]
    points: list[datetime]
    holes: list[Hole]


def timeline(spans: Iterable[Span], *, reasons: Sequence[tuple[datetime, str]] = ()) -> Timeline:
    """Of what each backup leads to. A reason, with its instant, explains the hole that it lies in or begins."""
    stretches: list[Span] = []
    points: set[datetime] = set()
    for span in sorted(spans, key=lambda span: (span.start, span.end)):
        if span.start == span.end:
            points.add(span.start)
        elif stretches and span.start <= stretches[-1].end:
            last = stretches.pop()
            stretches.append(Span(start=last.start, end=max(last.end, span.end)))
        else:
            stretches.append(span)
    holes = [
        Hole(start=one.end, end=next_one.start, reason=_reason(one.end, next_one.start, reasons))
        for one, next_one in zip(stretches, stretches[1:], strict=False)
    ]
    outside = [point for point in sorted(points) if not any(span.start <= point <= span.end for span in stretches)]
    # A backup just taken leads to its own instant until the log goes on: what broke before it is a hole already.
    reached = stretches[-1].end if stretches else next(iter(outside), None)
    after = next((point for point in outside if reached is not None and point > reached), None)
    if reached is not None and after is not None and (reason := _reason(reached, after, reasons)):
        holes.append(Hole(start=reached, end=after, reason=reason))
    return Timeline(stretches=stretches, points=outside, holes=holes)


def _reason(start: datetime, end: datetime, reasons: Sequence[tuple[datetime, str]]) -> str | None:
    return next((reason for at, reason in reasons if start <= at <= end), None)
