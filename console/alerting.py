"""What the Alerts page shows, and how it is read out of the API's JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from console.figures import Moment, moment, parse_instant

Json = Mapping[str, Any]

SOURCES = {"installation": "this installation", "aws": "AWS", "gcp": "Google Cloud"}
TONES = {"critical": "bad", "warning": "warn", "info": ""}
NAMES = {"sign-ins": "Failed sign-ins", "errors": "Failed requests", "chain-broken": "Ledger chain does not verify"}
ORDER = ("critical", "warning", "info")


@dataclass
class Alert:
    """Something that fires, or fired."""

    alert_id: str = ""
    name: str = ""
    summary: str = ""
    severity: str = ""
    tone: str = ""
    source: str = ""
    stack: str = ""
    runbook: str = ""
    has_runbook: bool = False
    since: Moment = field(default_factory=Moment)
    ended: Moment = field(default_factory=Moment)
    lasted: str = ""


@dataclass
class AlertPage:
    """One page of them and where the next one starts."""

    rows: list[Alert] = field(default_factory=list)
    next_cursor: str = ""
    looked: Moment = field(default_factory=Moment)


@dataclass
class Rule:
    """Something that the installation watches of itself."""

    name: str = ""
    says: str = ""
    severity: str = ""
    tone: str = ""
    runbook: str = ""
    after: str = ""
    fine: bool = True


@dataclass
class Block:
    """A piece of a runbook: `heading`, `text`, `item` or `code`."""

    kind: str = ""
    text: str = ""


COLUMNS = {
    "name": "name",
    "severity": "severity",
    "state": "state",
    "since": "since",
    "ended_at": "endedAt",
    "source": "source",
    "stack": "stack",
    "summary": "summary",
    "runbook": "runbook",
}


def alert_page(body: Json, now: datetime) -> AlertPage:
    """`GET /operations/alerts`."""
    return AlertPage(
        rows=[_alert(entry, now) for entry in body["data"]],
        next_cursor=body["nextCursor"] or "",
        looked=moment(body["lookedAt"], now),
    )


def by_severity(alerts: list[Alert]) -> list[Alert]:
    """The worst first, and the longest of those."""
    return sorted(alerts, key=lambda alert: (ORDER.index(alert.severity), alert.since.iso))


def rules(body: Json) -> list[Rule]:
    """`GET /operations/alerts/rules`."""
    return [
        Rule(
            name=_spoken(entry["name"]),
            says=entry["says"],
            severity=entry["severity"],
            tone=TONES[entry["severity"]],
            runbook=entry["runbook"],
            after=_after(entry["afterSeconds"]),
            fine=entry["state"] == "fine",
        )
        for entry in body["data"]
    ]


def blocks(markdown: str) -> list[Block]:
    """A runbook's Markdown in pieces; what stands in it is shown as text, never as HTML."""
    return list(_blocks(markdown.splitlines()))


def _blocks(lines: list[str]) -> Iterator[Block]:
    text: list[str] = []
    code: list[str] | None = None
    for line in lines:
        fence = line.lstrip().startswith("```")
        if code is not None:
            if fence:
                yield Block("code", "\n".join(code))
                code = None
            else:
                code.append(line)
            continue
        heading, item = re.match(r"#{1,6}\s+(.*)", line), re.match(r"\s*(?:[-*]|\d+\.)\s+(.*)", line)
        if text and (fence or heading or item or not line.strip()):
            yield Block("item" if text[0].startswith("\0") else "text", _inline(" ".join(text)))
            text = []
        if fence:
            code = []
        elif heading:
            yield Block("heading", _inline(heading[1]))
        elif item:
            text = ["\0" + item[1]]
        elif line.strip():
            text.append(line.strip())
    if code:
        yield Block("code", "\n".join(code))
    if text:
        yield Block("item" if text[0].startswith("\0") else "text", _inline(" ".join(text)))


def _inline(text: str) -> str:
    """Without the marks of emphasis, code and links."""
    text = re.sub(r"\[([^\]]*)\]\(([^)]*)\)", r"\1 (\2)", text.replace("\0", ""))
    return re.sub(r"\*\*|__|`", "", text)


def _alert(entry: Json, now: datetime) -> Alert:
    ended = entry["endedAt"]
    return Alert(
        alert_id=entry["alertId"],
        name=_spoken(entry["name"]) if entry["source"] == "installation" else entry["name"],
        summary=entry["summary"],
        severity=entry["severity"],
        tone=TONES[entry["severity"]],
        source=SOURCES.get(entry["source"], entry["source"]),
        stack=entry["stack"] or "",
        runbook=entry["runbook"] or "",
        has_runbook=entry["hasRunbook"],
        since=moment(entry["since"], now),
        ended=moment(ended, now),
        lasted=_lasted(entry["since"], ended) if ended else "",
    )


def _lasted(since: str, ended: str) -> str:
    seconds = (parse_instant(ended) - parse_instant(since)).total_seconds()
    if seconds <= 0:
        return "an event"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _spoken(name: str) -> str:
    if name in NAMES:
        return NAMES[name]
    text = name.replace("-", " ")
    return text[:1].upper() + text[1:]


def _after(seconds: int) -> str:
    return "at once" if not seconds else f"after {seconds} s"
