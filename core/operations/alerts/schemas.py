"""Bodies of alerts."""

from typing import Any, Literal

from core.foundation.schemas import Answer, Instant


class AlertAnswer(Answer):
    """Something that fires, or fired. `runbook` names what to do: GET /operations/runbooks/{runbook}."""

    alert_id: str
    source: str
    name: str
    severity: str
    state: str
    summary: str
    stack: str | None
    runbook: str | None
    has_runbook: bool
    since: Instant
    ended_at: Instant | None
    details: dict[str, Any]


class AlertPage(Answer):
    """A page of alerts; `looked_at` is when the installation last looked at itself."""

    data: list[AlertAnswer]
    next_cursor: str | None
    looked_at: Instant | None


class RuleAnswer(Answer):
    """Something that the installation watches of itself."""

    name: str
    severity: str
    says: str
    runbook: str
    after_seconds: int
    state: Literal["fine", "firing"]


class Rules(Answer):
    """All of them."""

    data: list[RuleAnswer]
    looked_at: Instant | None


class RunbookAnswer(Answer):
    """What to do, in Markdown."""

    name: str
    markdown: str


class NoticeTaken(Answer):
    """The notice is believed; `noted` is false where it told nothing new."""

    noted: bool
