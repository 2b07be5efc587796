"""What a notice says, whichever cloud sent it."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from core.foundation.errors import Forbidden, InvalidInput

Source = Literal["installation", "aws", "gcp"]
Severity = Literal["critical", "warning", "info"]

_RUNBOOK = re.compile(r"docs/runbooks/([a-z0-9][a-z0-9-]{0,62})\.md")


class NoticeRefused(Forbidden):
    """Nobody whom this installation believes has sent it."""

    code = "notice_refused"
    title = "The notice is not believed"


class NoticeNotUnderstood(InvalidInput):
    """It is signed, and not of the documented form."""

    code = "notice_not_understood"
    title = "The notice is not of the documented form"


@dataclass(frozen=True, kw_only=True)
class Notice:
    """Something began to fire, or ended. `key` is what the source knows it by.

    `since` is None where only the end is told; `ended_at` where it fires. An event, which has no end of its own, has
    both at the same instant.
    """

    source: Source
    key: str
    name: str
    severity: Severity
    summary: str
    since: datetime | None
    ended_at: datetime | None
    runbook: str | None = None
    stack: str | None = None
    details: dict[str, Any] = field(default_factory=dict[str, Any])


def runbook_in(text: str) -> str | None:
    """The runbook that an alarm's description names."""
    found = _RUNBOOK.search(text)
    return found[1] if found else None


def plain(text: object, longest: int = 500) -> str:
    """A foreign text as it may be stored and shown: one line, without control characters."""
    words = "".join(character if character.isprintable() else " " for character in str(text or ""))
    return " ".join(words.split())[:longest]
