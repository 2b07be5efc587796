"""Notices of the clouds: believed when signed, noted once, in whatever order they come."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from core.foundation.settings import Settings
from core.operations.alerts import routes, sns
from tests.support.callers import Caller
from tests.support.furnished import made

TOPIC = "arn:aws:sns:us-east-1:111122223333:cloudbill-alerts-channels-critical-1a2b3c4"
CERTIFICATE = "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-9c6465fa7f48f5cacd23014631ec1136.pem"
SECRET = "a-secret-of-ours-for-monitoring"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def certificate(*, valid_for: timedelta = timedelta(days=30)) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    start = datetime.now(UTC) - timedelta(days=60)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(KEY.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=60) + valid_for)
    )
    return built.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


class InternetOfAmazon(httpx.AsyncBaseTransport):
    """Answers at Amazon's addresses, with a certificate whose key we have; notes what was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.certificate = certificate()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(str(request.url))
        return httpx.Response(200, content=self.certificate if request.url.path.endswith(".pem") else b"<ok/>")


@pytest.fixture
def settings(make_settings: Callable[..., Settings]) -> Settings:
    """An installation that believes one topic and one secret."""
    return make_settings(alert_sns_topics=TOPIC, alert_webhook_secret=SECRET)


@pytest.fixture
def amazon(monkeypatch: pytest.MonkeyPatch) -> InternetOfAmazon:
    """Amazon's hosts, in this process."""
    internet = InternetOfAmazon()
    monkeypatch.setattr(routes, "amazon", sns.Amazon(internet))
    return internet


def signed(message: object, *, kind: str = "Notification", version: str = "2", **fields: str) -> dict[str, str]:
    document = {
        "Type": kind,
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": TOPIC,
        "Message": message if isinstance(message, str) else json.dumps(message),
        "Timestamp": "2026-11-21T10:00:05.000Z",
        "SignatureVersion": version,
        "SigningCertURL": CERTIFICATE,
        **fields,
    }
    if kind != "Notification":
        document = {"Token": "t0", "SubscribeURL": "https://sns.us-east-1.amazonaws.com/?Action=Confirm", **document}
    names = sorted({"Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"})
    text = "".join(f"{name}\n{document[name]}\n" for name in names if name in document)
    algorithm = hashes.SHA256() if version == "2" else hashes.SHA1()
    signature = KEY.sign(text.encode(), padding.PKCS1v15(), algorithm)
    return {**document, "Signature": base64.b64encode(signature).decode()}


def alarm(state: str, at: str, *, former: str = "OK") -> dict[str, Any]:
    return {
        "AlarmName": "cloudbill-prod-database-storage",
        "AlarmArn": "arn:aws:cloudwatch:us-east-1:111122223333:alarm:cloudbill-prod-database-storage",
        "AlarmDescription": "[critical] The disk is over 90 % full. Runbook: docs/runbooks/database-storage.md",
        "NewStateValue": state,
        "OldStateValue": former,
        "NewStateReason": "Threshold Crossed",
        "StateChangeTime": f"2026-11-21T{at}.000+0000",
        "Region": "US East (N. Virginia)",
        "AWSAccountId": "111122223333",
    }


async def tell(client: httpx.AsyncClient, document: dict[str, Any], *, content: bytes | None = None) -> httpx.Response:
    """As SNS does: JSON that says it is plain text."""
    headers = {"x-amz-sns-message-type": str(document["Type"]), "content-type": "text/plain; charset=UTF-8"}
    return await client.post("/operations/alerts", content=content or json.dumps(document).encode(), headers=headers)


async def alerts(operator: Caller, **query: str) -> list[dict[str, Any]]:
    return (await made(operator.get("/operations/alerts", **query)))["data"]


@pytest.mark.parametrize("version", ["1", "2"])
async def test_an_alarm_fires_and_ends(operator: Caller, amazon: InternetOfAmazon, version: str) -> None:
    api = operator.client
    assert (await tell(api, signed(alarm("ALARM", "10:00:00"), version=version))).json() == {"noted": True}
    (firing,) = await alerts(operator, state="firing")
    assert (firing["name"], firing["severity"], firing["source"], firing["runbook"]) == (
        "cloudbill-prod-database-storage",
        "critical",
        "aws",
        "database-storage",
    )
    assert (firing["summary"], firing["since"]) == ("The disk is over 90 % full.", "2026-11-21T10:00:00Z")
    assert (await tell(api, signed(alarm("ALARM", "10:00:00"), version=version))).json() == {"noted": False}
    assert (await tell(api, signed(alarm("OK", "10:20:00", former="ALARM"), version=version))).json() == {"noted": True}
    assert await alerts(operator, state="firing") == []
    (ended,) = await alerts(operator)
    assert (ended["state"], ended["endedAt"]) == ("ended", "2026-11-21T10:20:00Z")
    assert amazon.asked == [CERTIFICATE]


async def test_an_end_that_overtakes_its_beginning_leaves_nothing_firing(
    operator: Caller, amazon: InternetOfAmazon
) -> None:
    await tell(operator.client, signed(alarm("OK", "10:20:00", former="ALARM")))
    await tell(operator.client, signed(alarm("ALARM", "10:00:00")))
    assert await alerts(operator, state="firing") == []
    await tell(operator.client, signed(alarm("ALARM", "11:00:00")))
    (firing,) = await alerts(operator, state="firing")
    assert firing["since"] == "2026-11-21T11:00:00Z"


async def test_what_is_no_alarm_is_kept_as_an_event(operator: Caller, amazon: InternetOfAmazon) -> None:
    await tell(operator.client, signed("Your budget is spent", Subject="AWS Budgets: cloudbill-prod"))
    (event,) = await alerts(operator)
    assert (event["name"], event["state"], event["summary"]) == (
        "AWS Budgets: cloudbill-prod",
        "ended",
        "Your budget is spent",
    )


async def test_a_subscription_to_our_topic_is_confirmed_at_amazons_address(
    operator: Caller, amazon: InternetOfAmazon
) -> None:
    wanted = signed("You have chosen to subscribe", kind="SubscriptionConfirmation")
    assert (await tell(operator.client, wanted)).status_code == 200
    assert amazon.asked == [CERTIFICATE, wanted["SubscribeURL"]]
    elsewhere = signed("x", kind="SubscriptionConfirmation", SubscribeURL="https://example.com/?Action=Confirm")
    assert (await tell(operator.client, elsewhere)).status_code == 403
    assert "example.com" not in "".join(amazon.asked)


@pytest.mark.parametrize(
    "changes",
    [
        {"SigningCertURL": "https://sns.us-east-1.amazonaws.com.example.com/SimpleNotificationService-1.pem"},
        {"SigningCertURL": "http://sns.us-east-1.amazonaws.com/SimpleNotificationService-1.pem"},
        {"SigningCertURL": "https://amazonaws.com/SimpleNotificationService-1.pem"},
        {"SigningCertURL": "https://bucket.s3.amazonaws.com/SimpleNotificationService-1.pem"},
        {"SigningCertURL": "https://sns.us-east-1.amazonaws.com@example.com/SimpleNotificationService-1.pem"},
        {"SigningCertURL": "https://sns.us-east-1.amazonaws.com:8443/SimpleNotificationService-1.pem"},
        {"SigningCertURL": "https://sns.us-east-1.amazonaws.com/other.pem"},
        {"Message": "{}"},
        {"TopicArn": "arn:aws:sns:us-east-1:999999999999:somebody-elses"},
        {"Signature": "AAAA"},
        {"SignatureVersion": "3"},
        {"Type": "Whatever"},
    ],
)
async def test_a_notice_that_amazon_did_not_sign_for_us_is_refused(
    operator: Caller, amazon: InternetOfAmazon, changes: dict[str, str]
) -> None:
    answer = await tell(operator.client, {**signed(alarm("ALARM", "10:00:00")), **changes})
    assert (answer.status_code, answer.json()["code"]) == (403, "notice_refused")
    assert await alerts(operator) == []
    assert set(amazon.asked) <= {CERTIFICATE}


async def test_an_expired_certificate_signs_nothing(operator: Caller, amazon: InternetOfAmazon) -> None:
    amazon.certificate = certificate(valid_for=timedelta(days=-1))
    assert (await tell(operator.client, signed(alarm("ALARM", "10:00:00")))).status_code == 403


def incident(**changes: Any) -> dict[str, Any]:
    return {
        "version": "1.2",
        "incident": {
            "incident_id": "0.abc",
            "scoping_project_id": "cloudbill-production",
            "url": "https://console.cloud.google.com/monitoring/alerting/incidents/0.abc",
            "started_at": 1795255200,
            "ended_at": None,
            "state": "open",
            "severity": "Warning",
            "policy_name": "CloudBill prod-gcp: latency-p95",
            "condition_name": "p95",
            "summary": "p95 is over 1 s",
            "documentation": {"content": "Slow.\n\nRunbook: docs/runbooks/latency-p95.md"},
            **changes,
        },
    }


async def test_an_incident_opens_and_closes(operator: Caller) -> None:
    path = f"/operations/alerts?auth_token={SECRET}"
    assert (await operator.client.post(path, json=incident())).json() == {"noted": True}
    (firing,) = await alerts(operator, state="firing")
    assert (firing["severity"], firing["runbook"], firing["since"]) == (
        "warning",
        "latency-p95",
        "2026-11-21T10:00:00Z",
    )
    closed = incident(state="closed", ended_at=1795255800)
    basic = {"authorization": "Basic " + base64.b64encode(f"cloudbill:{SECRET}".encode()).decode()}
    assert (await operator.client.post("/operations/alerts", json=closed, headers=basic)).json() == {"noted": True}
    assert (await operator.client.post(path, json=closed)).json() == {"noted": False}
    (ended,) = await alerts(operator)
    assert (ended["state"], ended["endedAt"]) == ("ended", "2026-11-21T10:10:00Z")
    assert (await operator.client.post(path, json={**incident(), "version": "test"})).json() == {"noted": False}


async def test_an_incident_without_the_secret_is_refused(operator: Caller) -> None:
    for path in ("/operations/alerts", "/operations/alerts?auth_token=wrong"):
        answer = await operator.client.post(path, json=incident())
        assert (answer.status_code, answer.json()["code"]) == (403, "notice_refused")
    for wrong in ([], {}, {"incident": {}}, incident(state="odd"), incident(started_at="soon")):
        answer = await operator.client.post(f"/operations/alerts?auth_token={SECRET}", json=wrong)
        assert (answer.status_code, answer.json()["code"]) == (422, "notice_not_understood")
    assert await alerts(operator) == []


async def test_without_the_settings_no_notice_is_taken(
    make_settings: Callable[..., Settings], operator: Caller, amazon: InternetOfAmazon
) -> None:
    from core.api.app import create_app
    from tests.support import lifespan

    application = create_app(make_settings())
    async with lifespan.started(application), lifespan.client_of(application) as client:
        assert (await tell(client, signed(alarm("ALARM", "10:00:00")))).status_code == 403
        assert (await client.post("/operations/alerts?auth_token=", json=incident())).status_code == 403
