"""Notices of Amazon SNS over HTTPS: signed by Amazon, from topics that this installation names."""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

import httpx
import orjson
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from core.foundation.errors import Unavailable
from core.foundation.remembered import Remembered
from core.operations.alerts.notices import Notice, NoticeNotUnderstood, NoticeRefused, Severity, plain, runbook_in

NOTIFICATION, SUBSCRIPTION = "Notification", "SubscriptionConfirmation"
_SIGNED = {
    NOTIFICATION: ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    SUBSCRIPTION: ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    "UnsubscribeConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
_HOST = re.compile(r"sns\.[a-z0-9-]{3,32}\.amazonaws\.com(?:\.cn)?")
_CERTIFICATE = re.compile(r"/SimpleNotificationService-[0-9A-Za-z]+\.pem")
_HASHES = {"1": hashes.SHA1, "2": hashes.SHA256}
_LARGEST_CERTIFICATE = 20_000


class Amazon:
    """Amazon's certificates, fetched once each, and the confirmation of subscriptions."""

    def __init__(self, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._transport = transport
        self._certificates: Remembered[str, bytes] = Remembered(size=16, seconds=86_400)

    async def verify(self, document: Mapping[str, Any], *, topics: Sequence[str], now: datetime) -> dict[str, str]:
        """The notice's fields, all texts. Raises NoticeRefused, Unavailable."""
        fields = {name: value for name, value in document.items() if isinstance(value, str)}
        kind, topic = fields.get("Type", ""), fields.get("TopicArn", "")
        if kind not in _SIGNED:
            raise NoticeRefused(f"A notice of the type {plain(kind, 40) or 'nothing'} is not known.")
        if topic not in topics:
            raise NoticeRefused("The notice's topic is not one of ALERT_SNS_TOPICS.")
        algorithm = _HASHES.get(fields.get("SignatureVersion", ""))
        if algorithm is None:
            raise NoticeRefused("The notice's signature is of an unknown version.")
        certificate = await self._certificate(fields.get("SigningCertURL", ""))
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            raise NoticeRefused("The certificate that signed the notice is not valid now.")
        key = certificate.public_key()
        if not isinstance(key, rsa.RSAPublicKey):
            raise NoticeRefused("The certificate that signed the notice has no RSA key.")
        try:
            signature = base64.b64decode(fields.get("Signature", ""), validate=True)
            key.verify(signature, _canonical(kind, fields), padding.PKCS1v15(), algorithm())
        except (InvalidSignature, binascii.Error, ValueError):
            raise NoticeRefused("The notice's signature does not hold.") from None
        return fields

    async def confirm(self, fields: Mapping[str, str]) -> None:
        """Confirms a subscription to one of our topics. Raises NoticeRefused, Unavailable."""
        address = fields.get("SubscribeURL", "")
        if not _is_amazons(address):
            raise NoticeRefused("The address that confirms the subscription is not Amazon's.")
        await self._fetch(address)

    async def _certificate(self, address: str) -> x509.Certificate:
        if not _is_amazons(address) or not _CERTIFICATE.fullmatch(httpx.URL(address).path):
            raise NoticeRefused("The certificate's address is not one of Amazon SNS.")
        known = self._certificates.find(address)
        content = known or await self._fetch(address)
        try:
            certificate = x509.load_pem_x509_certificate(content)
        except ValueError:
            raise NoticeRefused("There is no certificate at the address that the notice names.") from None
        self._certificates.remember(address, content)
        return certificate

    async def _fetch(self, address: str) -> bytes:
        try:
            async with httpx.AsyncClient(timeout=5, transport=self._transport) as client:
                answer = await client.get(address)
        except httpx.HTTPError:
            raise Unavailable("Amazon SNS does not answer. It sends its notices again.") from None
        if answer.status_code != 200 or len(answer.content) > _LARGEST_CERTIFICATE:
            raise Unavailable("Amazon SNS did not give what it was asked for. It sends its notices again.")
        return answer.content


def read(fields: Mapping[str, str]) -> Notice | None:
    """What a verified notification says; None for a change that neither begins nor ends anything."""
    severity = _severity(fields)
    try:
        message: Any = orjson.loads(fields["Message"])
    except ValueError:
        message = None
    if not isinstance(message, dict):
        return _event(fields, severity, fields.get("Subject") or fields["Message"], fields["Message"], {})
    found = cast("dict[str, Any]", message)
    if "AlarmName" in found and "NewStateValue" in found:
        return _alarm(found, severity)
    name = found.get("detail-type") or fields.get("Subject") or "Notice"
    return _event(fields, severity, name, found.get("source") or name, {"detail": found.get("detail")})


def _alarm(message: Mapping[str, Any], severity: Severity) -> Notice | None:
    at = _instant(message.get("StateChangeTime"))
    state, former = message["NewStateValue"], message.get("OldStateValue")
    fires = state == "ALARM"
    if not fires and not (state == "OK" and former == "ALARM"):
        return None
    described = str(message.get("AlarmDescription") or "")
    name = plain(message["AlarmName"], 200)
    return Notice(
        source="aws",
        key=plain(message.get("AlarmArn") or name, 500),
        name=name,
        severity=_said_in(described) or severity,
        summary=plain(re.sub(r"^\[\w+\]\s*|\s*Runbook: \S+$", "", described) or message.get("NewStateReason")),
        since=at if fires else None,
        ended_at=None if fires else at,
        runbook=runbook_in(described),
        details={
            "reason": plain(message.get("NewStateReason"), 1000),
            "region": plain(message.get("Region"), 60),
            "account": plain(message.get("AWSAccountId"), 20),
        },
    )


def _event(
    fields: Mapping[str, str], severity: Severity, name: object, summary: object, details: dict[str, Any]
) -> Notice:
    at = _instant(fields["Timestamp"])
    return Notice(
        source="aws",
        key=plain(fields["MessageId"], 200),
        name=plain(name, 200),
        severity=severity,
        summary=plain(summary),
        since=at,
        ended_at=at,
        details={key: plain(orjson.dumps(value).decode(), 2000) for key, value in details.items()},
    )


def _canonical(kind: str, fields: Mapping[str, str]) -> bytes:
    return "".join(f"{name}\n{fields[name]}\n" for name in _SIGNED[kind] if name in fields).encode()


def _is_amazons(address: str) -> bool:
    try:
        parts = httpx.URL(address)
    except httpx.InvalidURL:
        return False
    return (
        parts.scheme == "https"
        and parts.port is None
        and not parts.userinfo
        and _HOST.fullmatch(parts.host) is not None
    )


def _severity(fields: Mapping[str, str]) -> Severity:
    topic = fields["TopicArn"].rpartition(":")[2]
    for severity in ("critical", "warning", "info"):
        if severity in topic:
            return severity
    return "warning"


def _said_in(description: str) -> Severity | None:
    for severity in ("critical", "warning", "info"):
        if description.startswith(f"[{severity}]"):
            return severity
    return None


def _instant(text: object) -> datetime:
    try:
        at = datetime.fromisoformat(re.sub(r"([+-]\d\d)(\d\d)$", r"\1:\2", str(text)))
    except ValueError:
        raise NoticeNotUnderstood("StateChangeTime", "is no instant") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
