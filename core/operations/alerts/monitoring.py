"""Notices of Google Cloud Monitoring: a webhook that carries a secret of ours."""

import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

from core.foundation.crypto import same
from core.foundation.settings import Settings
from core.operations.alerts.notices import Notice, NoticeNotUnderstood, NoticeRefused, Severity, plain, runbook_in

_SEVERITIES: dict[str, Severity] = {"critical": "critical", "error": "critical", "warning": "warning"}


def verify(settings: Settings, *, token: str | None, authorization: str | None) -> None:
    """The secret stands in the address (`?auth_token=`) or is the password of basic authentication.

    Raises NoticeRefused.
    """
    secret = settings.alert_webhook_secret
    if secret is None:
        raise NoticeRefused("This installation takes no webhook: set ALERT_WEBHOOK_SECRET.")
    given = token or _password(authorization)
    if not same(given.encode(), secret.get_secret_value().encode()):
        raise NoticeRefused("The notice does not carry the secret of ALERT_WEBHOOK_SECRET.")


def read(document: Mapping[str, Any]) -> Notice | None:
    """What the incident says; None for Google's own test. Raises NoticeNotUnderstood."""
    incident = document.get("incident")
    if not isinstance(incident, dict):
        raise NoticeNotUnderstood("incident", "is missing")
    found = cast("dict[str, Any]", incident)
    if document.get("version") == "test":
        return None
    state = found.get("state")
    if state not in ("open", "closed") or not found.get("incident_id"):
        raise NoticeNotUnderstood("incident", "needs an incident_id and the state open or closed")
    started = _instant(found.get("started_at"), "started_at")
    described = found.get("documentation")
    content = str(cast("dict[str, Any]", described).get("content", "") if isinstance(described, dict) else described)
    return Notice(
        source="gcp",
        key=plain(found["incident_id"], 200),
        name=plain(found.get("policy_name") or found.get("condition_name") or "Incident", 200),
        severity=_SEVERITIES.get(str(found.get("severity", "")).lower(), "info"),
        summary=plain(found.get("summary") or content.partition("Runbook:")[0]),
        since=started,
        ended_at=None if state == "open" else _instant(found.get("ended_at"), "ended_at"),
        runbook=runbook_in(content),
        details={
            "condition": plain(found.get("condition_name"), 300),
            "project": plain(found.get("scoping_project_id"), 100),
            "url": plain(found.get("url"), 500),
        },
    )


def _password(authorization: str | None) -> str:
    kind, _, value = (authorization or "").partition(" ")
    if kind.lower() != "basic":
        return ""
    try:
        return base64.b64decode(value, validate=True).decode().partition(":")[2]
    except (binascii.Error, ValueError):
        return ""


def _instant(seconds: object, name: str) -> datetime:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < 32_000_000_000:
        raise NoticeNotUnderstood(f"incident.{name}", "must be seconds since 1970")
    return datetime.fromtimestamp(seconds, UTC)
