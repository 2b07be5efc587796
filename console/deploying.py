"""What the Deployments pages show, and how it is read out of the API's JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from console.costing import CLOUDS, NAMES
from console.figures import MINUS, Moment, Money, moment, money, parse_instant

Json = Mapping[str, Any]


@dataclass
class DeploymentRow:
    """One of the list."""

    deployment_id: str = ""
    stack: str = ""
    place: str = ""
    kind: str = ""
    outcome: str = ""
    tone: str = ""
    version: str = ""
    revision: str = ""
    started: Moment = field(default_factory=Moment)
    took: str = ""
    monthly: Money = field(default_factory=Money)
    priced: bool = False
    span: str = ""
    policies: str = ""
    policies_tone: str = ""
    resources: int = 0


@dataclass
class DeploymentPage:
    """One page of them and where the next one starts."""

    rows: list[DeploymentRow] = field(default_factory=list)
    next_cursor: str = ""


@dataclass
class Named:
    """A name and what stands beside it."""

    name: str = ""
    text: str = ""
    detail: str = ""
    tone: str = ""


@dataclass
class InputChange:
    """An input before and after."""

    key: str = ""
    before: str = ""
    after: str = ""


@dataclass
class ResourceChange:
    """A resource that is another now."""

    name: str = ""
    type: str = ""
    inputs: list[InputChange] = field(default_factory=list)


@dataclass
class Changes:
    """Against the stack's deployment before."""

    is_first: bool = False
    previous_id: str = ""
    previous: Moment = field(default_factory=Moment)
    summary: str = ""
    added: list[Named] = field(default_factory=list)
    removed: list[Named] = field(default_factory=list)
    changed: list[ResourceChange] = field(default_factory=list)
    cost: str = ""


@dataclass
class Deployment:
    """All of one."""

    row: DeploymentRow = field(default_factory=DeploymentRow)
    outputs: list[Named] = field(default_factory=list)
    steps: list[Named] = field(default_factory=list)
    findings: list[Named] = field(default_factory=list)
    categories: list[Named] = field(default_factory=list)
    estimate_error: str = ""
    changes: Changes = field(default_factory=Changes)


OUTCOMES = {
    "running": ("running", "warn"),
    "succeeded": ("deployed", "good"),
    "failed": ("failed", "bad"),
    "recorded": ("recorded", ""),
}
STATES = {"succeeded": "good", "failed": "bad", "running": "warn"}
MOST_SHOWN = 60
"""Resources that came with a first deployment are hundreds: so many are named."""


def deployment_page(body: Json, now: datetime) -> DeploymentPage:
    """`GET /operations/deployments`."""
    return DeploymentPage(rows=[row(entry, now) for entry in body["data"]], next_cursor=body["nextCursor"] or "")


COLUMNS = {
    "deployment_id": "deploymentId",
    "stack": "stack",
    "cloud": "cloud",
    "environment": "environment",
    "kind": "kind",
    "outcome": "outcome",
    "started_at": "startedAt",
    "finished_at": "finishedAt",
    "version": "version",
    "revision": "revision",
    "resources": "resources",
    "policy_rules": "policyRules",
    "policy_violations": "policyViolations",
    "currency": "currency",
    "monthly": "monthly",
    "low": "low",
    "high": "high",
}


def row(entry: Json, now: datetime) -> DeploymentRow:
    """One of the list."""
    currency = entry["currency"] or "USD"
    outcome, tone = OUTCOMES.get(entry["outcome"], (entry["outcome"], ""))
    policies, policies_tone = _policies(entry["policyRules"], entry["policyViolations"])
    low, high = (money(entry[name] or 0, currency) for name in ("low", "high"))
    return DeploymentRow(
        deployment_id=entry["deploymentId"],
        stack=entry["stack"],
        place=f"{entry['environment'].capitalize()} · {CLOUDS.get(entry['cloud'], entry['cloud'])}",
        kind=entry["kind"],
        outcome=outcome,
        tone=tone,
        version=_short(entry["version"] or ""),
        revision=(entry["revision"] or "")[:8],
        started=moment(entry["startedAt"], now),
        took=_took(entry["startedAt"], entry["finishedAt"]),
        monthly=money(entry["monthly"] or 0, currency),
        priced=entry["monthly"] is not None,
        span=f"{low.value:,.0f} to {high.value:,.0f} {currency}" if entry["monthly"] is not None else "",
        policies=policies,
        policies_tone=policies_tone,
        resources=entry["resources"],
    )


def deployment(body: Json, changes: Json, now: datetime) -> Deployment:
    """`GET /operations/deployments/{id}` and its `/changes`."""
    currency = body["currency"] or "USD"
    by_category = sorted((body["byCategory"] or {}).items(), key=lambda pair: -Decimal(pair[1]))
    return Deployment(
        row=row(body, now),
        outputs=[Named(name=name, text=_plain(value)) for name, value in sorted(body["outputs"].items())],
        steps=[_step(entry) for entry in body["steps"]],
        findings=[
            Named(
                name=entry["rule"],
                text=entry["message"],
                detail=entry["resource"],
                tone="waived" if entry["waived"] else "bad",
            )
            for entry in body["policies"] or ()
        ],
        categories=[
            Named(name=NAMES.get(name, name.capitalize()), text=money(amount, currency).short)
            for name, amount in by_category
        ],
        estimate_error=body["estimateError"] or "",
        changes=_changes(changes, currency, now),
    )


def _changes(body: Json, currency: str, now: datetime) -> Changes:
    is_first = body["previousDeploymentId"] is None
    counted = [f"{len(body[name])} {name}" for name in ("added", "changed", "removed") if body[name]]
    return Changes(
        is_first=is_first,
        previous_id=body["previousDeploymentId"] or "",
        previous=moment(body["previousRecordedAt"], now),
        summary=", ".join(counted) or "nothing",
        added=[_resource(entry) for entry in body["added"][:MOST_SHOWN]],
        removed=[_resource(entry) for entry in body["removed"][:MOST_SHOWN]],
        changed=[
            ResourceChange(
                name=entry["name"],
                type=entry["type"],
                inputs=[
                    InputChange(
                        key=change["key"],
                        before="(none)" if change["before"] is None else change["before"],
                        after="(none)" if change["after"] is None else change["after"],
                    )
                    for change in entry["inputs"]
                ],
            )
            for entry in body["changed"][:MOST_SHOWN]
        ],
        cost=_cost_change(body["monthlyBefore"], body["monthlyAfter"], currency),
    )


def _cost_change(before: str | None, after: str | None, currency: str) -> str:
    if before is None or after is None:
        return ""
    apart = Decimal(after) - Decimal(before)
    if not apart:
        return "costs the same as before"
    return f"{'+' if apart > 0 else MINUS}{abs(apart):,.2f} {currency} a month against the one before"


def _resource(entry: Json) -> Named:
    return Named(name=entry["name"], text=entry["type"])


def _step(entry: Json) -> Named:
    took = _took(entry["startedAt"], entry["finishedAt"]) if entry["startedAt"] else ""
    return Named(
        name=entry["name"],
        text=entry["state"],
        detail=" · ".join(filter(None, (took, entry["message"] or ""))),
        tone=STATES.get(entry["state"], ""),
    )


def _policies(rules: int | None, violations: int | None) -> tuple[str, str]:
    if violations is None:
        return "not judged", ""
    if violations:
        return f"{violations} broken", "bad"
    return (f"all {rules} hold" if rules is not None else "all hold"), "good"


def _took(started: str | None, finished: str | None) -> str:
    if not started or not finished:
        return ""
    seconds = (parse_instant(finished) - parse_instant(started)).total_seconds()
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def _short(version: str) -> str:
    version = version.rpartition("/")[2]
    kind, _, digest = version.rpartition("sha256:")
    return f"{kind}sha256:{digest[:12]}" if "sha256:" in version else version


def _plain(value: Any) -> str:
    if value == {"secret": True}:
        return "(a secret: it stays in the secret store)"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
