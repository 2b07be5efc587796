"""Mails, SMS and webhooks: asked of the API and spelled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from console import customers
from console.client import PAGE_ROWS, Client
from console.figures import Moment, moment

Json = Mapping[str, Any]

MESSAGES = "/notification/messages"
WEBHOOKS = "/notification/webhooks"
DELIVERIES = "/notification/deliveries"
MESSAGE_COLUMNS = {
    "Message": "messageId",
    "Text": "template",
    "By": "channel",
    "Language": "language",
    "To": "recipientId",
    "State": "state",
    "Why": "reason",
    "Attempts": "attempts",
    "Of": "occurredAt",
    "Sent": "sentAt",
}
DELIVERY_COLUMNS = {
    "Delivery": "deliveryId",
    "Fact": "kind",
    "About": "subjectId",
    "To": "url",
    "State": "state",
    "Attempts": "attempts",
    "Status": "lastStatus",
    "Error": "lastError",
    "Of": "occurredAt",
    "Closed": "closedAt",
}


@dataclass
class Message:
    """A mail or an SMS."""

    message_id: str = ""
    what: str = ""
    channel: str = ""
    reader: str = ""
    state: str = ""
    reason: str = ""
    language: str = ""
    subject: str = ""
    body: str = ""
    at: Moment = field(default_factory=Moment)


@dataclass
class Endpoint:
    """Where facts are sent."""

    webhook_id: str = ""
    url: str = ""
    about: str = ""
    kinds: str = ""
    state: str = ""
    reason: str = ""
    failing: Moment = field(default_factory=Moment)


@dataclass
class Call:
    """One attempt to deliver."""

    number: int = 0
    result: str = ""
    took: str = ""
    answer: str = ""
    at: Moment = field(default_factory=Moment)


@dataclass
class Delivery:
    """A fact on its way to an endpoint."""

    delivery_id: str = ""
    kind: str = ""
    url: str = ""
    state: str = ""
    result: str = ""
    attempts: int = 0
    at: Moment = field(default_factory=Moment)
    following: Moment = field(default_factory=Moment)
    body: str = ""
    calls: list[Call] = field(default_factory=list)


@dataclass
class Told:
    """One page of messages or deliveries."""

    messages: list[Message] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)
    next_cursor: str = ""


async def messages(api: Client, *, state: str, cursor: str, now: datetime) -> Told:
    """One page, newest first."""
    body = await api.get_own(MESSAGES, state=state, cursor=cursor, limit=PAGE_ROWS)
    known = await customers.names(api, body["data"])
    return Told(messages=[_message(one, known, now) for one in body["data"]], next_cursor=body["nextCursor"] or "")


async def message(api: Client, message_id: str, *, now: datetime) -> Message:
    """One as it is read."""
    body = await api.get_own(f"{MESSAGES}/{message_id}")
    return _message(body, {}, now)


async def endpoints(api: Client, *, now: datetime) -> list[Endpoint]:
    """All of them, oldest first."""
    return [_endpoint(one, now) for one in (await api.get_own(WEBHOOKS))["data"]]


async def deliveries(api: Client, *, state: str, webhook_id: str, cursor: str, now: datetime) -> Told:
    """One page of the log, newest first."""
    asked = {"state": state, "webhookId": webhook_id, "cursor": cursor, "limit": PAGE_ROWS}
    body = await api.get_own(DELIVERIES, **asked)
    return Told(deliveries=[_delivery(one, now) for one in body["data"]], next_cursor=body["nextCursor"] or "")


async def delivery(api: Client, delivery_id: str, *, now: datetime) -> Delivery:
    """One with its body and every call."""
    return _delivery(await api.get_own(f"{DELIVERIES}/{delivery_id}"), now)


async def resend(api: Client, message_id: str) -> None:
    """Send a message once more."""
    await api.change("POST", f"{MESSAGES}/{message_id}/resend")


async def replay(api: Client, delivery_id: str) -> None:
    """Send a fact once more, under the id that it had."""
    await api.change("POST", f"{DELIVERIES}/{delivery_id}/replay")


async def replay_since(api: Client, webhook_id: str, day: str) -> int:
    """Send what did not get through since a day; how many."""
    body = await api.change("POST", f"{WEBHOOKS}/{webhook_id}/replay", json={"since": f"{day}T00:00:00Z"})
    return int(body["replayed"])


async def add_endpoint(api: Client, form: Mapping[str, str]) -> str:
    """A new one; its secret, which nobody can read again."""
    wanted: dict[str, Any] = {"url": str(form.get("url") or "").strip()}
    if about := str(form.get("description") or "").strip():
        wanted["description"] = about
    if kinds := str(form.get("kinds") or "").replace(",", " ").split():
        wanted["kinds"] = kinds
    return str((await api.change("POST", WEBHOOKS, json=wanted))["secret"])


async def act(api: Client, webhook_id: str, what: str) -> None:
    """`test`, `disabled`, `active` or `delete`."""
    if what == "test":
        await api.change("POST", f"{WEBHOOKS}/{webhook_id}/test")
    elif what == "delete":
        await api.change("DELETE", f"{WEBHOOKS}/{webhook_id}")
    else:
        await api.change("PATCH", f"{WEBHOOKS}/{webhook_id}", json={"state": what})


def _message(body: Json, known: Mapping[str, str], now: datetime) -> Message:
    return Message(
        message_id=body["messageId"],
        what=str(body["template"]).replace("_", " ").capitalize(),
        channel={"email": "E-mail", "sms": "SMS"}.get(body["channel"], body["channel"]),
        reader=body.get("to") or known.get(body["recipientId"], str(body["recipientKind"]).replace("_", " ")),
        state=body["state"],
        reason=str(body["reason"] or "").replace("_", " "),
        language=body["language"],
        subject=body.get("subject") or "",
        body=body.get("body") or "",
        at=moment(body["occurredAt"], now),
    )


def _endpoint(body: Json, now: datetime) -> Endpoint:
    return Endpoint(
        webhook_id=body["webhookId"],
        url=body["url"],
        about=body["description"] or "",
        kinds=", ".join(body["kinds"]) or "everything",
        state=body["state"],
        reason=str(body["disabledReason"] or "").replace("_", " "),
        failing=moment(body["failingSince"], datetime.now(UTC)),
    )


def _delivery(body: Json, now: datetime) -> Delivery:
    status, error = body["lastStatus"], str(body["lastError"] or "")
    return Delivery(
        delivery_id=body["deliveryId"],
        kind=body["kind"],
        url=body["url"],
        state=body["state"],
        result=" ".join(part for part in (str(status or ""), error.replace("_", " ")) if part),
        attempts=body["attempts"],
        at=moment(body["occurredAt"], now),
        following=moment(body["nextAttemptAt"], datetime.now(UTC)),
        body=json.dumps(body["body"], indent=2, ensure_ascii=False) if "body" in body else "",
        calls=[
            Call(
                one["number"],
                str(one["status"] or one["error"] or ""),
                f"{one['milliseconds']} ms",
                one["answer"] or "",
                moment(one["attemptedAt"], datetime.now(UTC)),
            )
            for one in body.get("calls", ())
        ],
    )
