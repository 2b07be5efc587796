"""Mail by SMTP and SES and SMS by Twilio: sent once, tried again only when surely not sent, uncertain when in doubt."""

import base64
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import boto3
import orjson
import pytest
from moto.server import ThreadedMotoServer
from sqlalchemy import text

from core.foundation.runtime import Runtime
from core.foundation.settings import SettingsInvalid, load_settings
from core.worker.app import run_until_idle
from tests.billing.notifications.conftest import MailServer, Tell, customer_of, messages
from tests.support.callers import Caller

INVOICE = {"number": "INV-1", "currency": "EUR", "totalMinor": 1999, "openMinor": 1999}
FROM = "billing@cloudbill.test"


def by(runtime: Runtime, **changes: Any) -> Runtime:
    """The same worker with other ways out."""
    return Runtime(runtime.settings.model_copy(update=changes), runtime.database, runtime.cache)


def by_smtp(runtime: Runtime, server: MailServer, **changes: Any) -> Runtime:
    return by(
        runtime,
        **{
            "email_provider": "smtp",
            "email_from": FROM,
            "smtp_host": "127.0.0.1",
            "smtp_port": server.port,
            "smtp_security": "none",
            **changes,
        },
    )


async def due_now(runtime: Runtime) -> None:
    """Attempts that wait for their time are due."""
    async with runtime.database.nobody() as session:
        await session.execute(text("UPDATE procrastinate_jobs SET scheduled_at = now() WHERE status = 'todo'"))


async def test_a_mail_goes_out_by_smtp_with_what_a_mail_of_a_program_needs(
    tenant: Caller, tell_fact: Tell, runtime: Runtime, mail_server: MailServer
) -> None:
    ada = await customer_of(tenant, name="Zoë Łęcka")
    settings = {"language": "en", "sms": False, "replyTo": "help@acme.test"}
    assert (await tenant.request("PUT", "/notification/settings", json=settings)).status_code == 200
    await tell_fact(tenant, "invoice.paid", INVOICE, customer=ada)
    await run_until_idle(by_smtp(runtime, mail_server))

    (envelope,) = mail_server.taken
    assert (envelope.mail_from, envelope.rcpt_tos) == (FROM, ["ada@example.test"])
    assert isinstance(envelope.content, bytes)
    mail = message_from_bytes(envelope.content, policy=default)
    (sent,) = await messages(tenant)
    assert (sent["state"], sent["provider"]) == ("sent", "smtp")
    assert mail["Message-ID"] == f"<{sent['messageId']}@cloudbill.test>"
    assert (mail["From"], mail["To"], mail["Reply-To"]) == (f"acme <{FROM}>", "ada@example.test", "help@acme.test")
    assert mail["Subject"] == "Receipt from acme: INV-1"
    assert (mail["Auto-Submitted"], mail["List-Unsubscribe-Post"]) == ("auto-generated", "List-Unsubscribe=One-Click")
    assert "/notification/unsubscribe?token=" in mail["List-Unsubscribe"]
    assert "Hello Zoë Łęcka," in mail.get_content()


async def test_a_mail_that_the_server_puts_off_is_tried_again_and_one_that_it_refuses_is_not(
    tenant: Caller, tell_fact: Tell, runtime: Runtime, mail_server: MailServer
) -> None:
    ada = await customer_of(tenant)
    mail_server.to_recipient = ["451 greylisted"]
    await tell_fact(tenant, "invoice.paid", INVOICE, customer=ada)
    await run_until_idle(by_smtp(runtime, mail_server))
    (waits,) = await messages(tenant)
    assert (waits["state"], waits["reason"]) == ("queued", "the mail server answers 451")
    await due_now(runtime)
    await run_until_idle(by_smtp(runtime, mail_server))
    (sent,) = await messages(tenant)
    assert (sent["state"], sent["attempts"], len(mail_server.taken)) == ("sent", 2, 1)

    mail_server.to_recipient = ["550 no such user ada@example.test"]
    await tell_fact(tenant, "payment.refunded", {"currency": "EUR", "amountMinor": 5}, customer=ada)
    await run_until_idle(by_smtp(runtime, mail_server))
    refused = (await messages(tenant))[-1]
    assert (refused["state"], refused["reason"]) == ("failed", "the mail server answers 550")


async def test_a_server_that_is_not_there_is_tried_again(
    tenant: Caller, tell_fact: Tell, runtime: Runtime, mail_server: MailServer
) -> None:
    ada = await customer_of(tenant)
    await tell_fact(tenant, "invoice.paid", INVOICE, customer=ada)
    await run_until_idle(by_smtp(runtime, mail_server, smtp_port=9))
    (waits,) = await messages(tenant)
    assert waits["state"] == "queued"
    assert waits["reason"].startswith("the mail server cannot be used")


async def test_a_server_without_tls_gets_nothing_where_tls_is_asked_for(
    tenant: Caller, tell_fact: Tell, runtime: Runtime, mail_server: MailServer
) -> None:
    ada = await customer_of(tenant)
    await tell_fact(tenant, "invoice.paid", INVOICE, customer=ada)
    await run_until_idle(by_smtp(runtime, mail_server, smtp_security="starttls"))
    assert mail_server.taken == []
    (waits,) = await messages(tenant)
    assert waits["state"] == "queued"


async def test_a_line_that_breaks_after_the_text_leaves_it_uncertain_and_sends_nothing_twice(
    tenant: Caller, tell_fact: Tell, runtime: Runtime, mail_server: MailServer
) -> None:
    ada = await customer_of(tenant)
    mail_server.to_text = [None]
    await tell_fact(tenant, "invoice.paid", INVOICE, customer=ada)
    await run_until_idle(by_smtp(runtime, mail_server))
    await due_now(runtime)
    await run_until_idle(by_smtp(runtime, mail_server))
    (doubtful,) = await messages(tenant)
    assert (doubtful["state"], len(mail_server.taken)) == ("uncertain", 1)
    assert doubtful["reason"].startswith("the mail server did not answer the text")

    assert (await tenant.post(f"/notification/messages/{doubtful['messageId']}/resend")).status_code == 202
    await run_until_idle(by_smtp(runtime, mail_server))
    (sent,) = await messages(tenant)
    assert (sent["state"], len(mail_server.taken)) == ("sent", 2)


async def test_a_worker_that_died_while_sending_leaves_it_uncertain(
    tenant: Caller, tell_fact: Tell, runtime: Runtime, mail_server: MailServer
) -> None:
    from core.billing.notifications import sending
    from core.foundation.clock import wall_now
    from core.foundation.jobs import defer

    ada = await customer_of(tenant)
    await tell_fact(tenant, "invoice.paid", INVOICE, customer=ada)
    mail_server.to_recipient = ["451 later"]
    smtp = by_smtp(runtime, mail_server)
    await run_until_idle(smtp)
    async with runtime.database.reading() as session:
        row = (await session.execute(text("SELECT tenant_id, id FROM notification_messages"))).one()
    async with runtime.database.tenant(row.tenant_id) as session:
        claimed = await sending.claim(
            session, smtp.settings, tenant_id=row.tenant_id, message_id=row.id, wall=wall_now()
        )
    assert claimed is not None  # and here it dies; its job is given to another worker
    async with runtime.database.nobody() as session:
        await defer(session, "notifications:send", tenant_id=str(row.tenant_id), message_id=str(row.id))
    await run_until_idle(smtp)
    (doubtful,) = await messages(tenant)
    assert (doubtful["state"], doubtful["reason"], mail_server.taken) == (
        "uncertain",
        "the worker died while it was sent",
        [],
    )


async def test_a_test_tenant_writes_to_nobody(
    sign_up: Any, tell_fact: Tell, runtime: Runtime, mail_server: MailServer
) -> None:
    trial = await sign_up("trial", testClock="2026-01-01T00:00:00Z")
    ada = await customer_of(trial)
    await tell_fact(trial, "invoice.paid", INVOICE, customer=ada)
    await run_until_idle(by_smtp(runtime, mail_server))
    (kept,) = await messages(trial)
    assert (kept["state"], kept["provider"], mail_server.taken) == ("sent", "mailbox", [])


@pytest.fixture(scope="module")
def ses() -> Iterator[str]:
    """Amazon SES as moto plays it."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


async def test_a_mail_goes_out_by_ses_and_one_that_it_rejects_is_failed(
    tenant: Caller, tell_fact: Tell, runtime: Runtime, ses: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL": ses,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_CONFIG_FILE": "/nonexistent",
        "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
    }.items():
        monkeypatch.setenv(name, value)
    worker = by(runtime, email_provider="ses", email_from=FROM, aws_ses_region="eu-central-1")
    ada = await customer_of(tenant)
    await tell_fact(tenant, "invoice.paid", INVOICE, customer=ada)
    await run_until_idle(worker)
    (refused,) = await messages(tenant)
    assert (refused["state"], refused["reason"]) == ("failed", "SES answers MessageRejected")  # nobody verified FROM

    boto3.client("ses", region_name="eu-central-1").verify_email_identity(EmailAddress=FROM)
    assert (await tenant.post(f"/notification/messages/{refused['messageId']}/resend")).status_code == 202
    await run_until_idle(worker)
    (sent,) = await messages(tenant)
    assert (sent["state"], sent["provider"]) == ("sent", "ses")
    assert sent["providerId"]

    unreachable = by(runtime, email_provider="ses", email_from=FROM, aws_ses_region="eu-central-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    await tell_fact(tenant, "payment.refunded", {"currency": "EUR", "amountMinor": 5}, customer=ada)
    await run_until_idle(unreachable)
    waits = (await messages(tenant))[-1]
    assert (waits["state"], waits["reason"]) == ("queued", "SES cannot be reached: EndpointConnectionError")


@dataclass
class Twilio:
    """Twilio's Messages resource as its documentation describes it; anything else is refused as there."""

    url: str = ""
    sent: list[dict[str, str]] = field(default_factory=list)
    errors: list[tuple[int, int]] = field(default_factory=list)


ACCOUNT, WORD = "AC0123456789abcdef0123456789abcdef", "twilio-auth-token"


@pytest.fixture
def twilio() -> Iterator[Twilio]:
    kept = Twilio()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode(), strict_parsing=True)
            given = {name: values[0] for name, values in form.items()}
            basic = base64.b64encode(f"{ACCOUNT}:{WORD}".encode()).decode()
            if self.path != f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json":
                self.answer(404, {"code": 20404, "message": "not found", "status": 404})
            elif self.headers["authorization"] != f"Basic {basic}":
                self.answer(401, {"code": 20003, "message": "Authenticate", "status": 401})
            elif self.headers["content-type"] != "application/x-www-form-urlencoded" or not {
                "To",
                "From",
                "Body",
            } <= set(given):
                self.answer(400, {"code": 21604, "message": "a parameter is missing", "status": 400})
            elif not given["To"].startswith("+") or len(given["Body"]) > 1600:
                self.answer(400, {"code": 21211, "message": "Invalid 'To' Phone Number", "status": 400})
            elif kept.errors:
                status, code = kept.errors.pop(0)
                self.answer(status, {"code": code, "status": status})
            else:
                kept.sent.append(given)
                self.answer(201, {"sid": "SM" + "0" * 30 + f"{len(kept.sent):02}", "status": "queued"})

        def answer(self, status: int, body: dict[str, Any]) -> None:
            content = orjson.dumps(body)
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    kept.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield kept
    server.shutdown()
    thread.join()
    server.server_close()


async def test_a_failed_payment_goes_out_by_sms_too_where_the_tenant_wants_it(
    tenant: Caller, tell_fact: Tell, runtime: Runtime, twilio: Twilio
) -> None:
    from pydantic import SecretStr

    worker = by(
        runtime,
        twilio_account_sid=ACCOUNT,
        twilio_auth_token=SecretStr(WORD),
        twilio_phone_number="+15005550006",
        twilio_api_base=twilio.url,
    )
    ada = await customer_of(tenant, phone="+491701234567")
    await tell_fact(tenant, "dunning.notice", INVOICE, customer=ada, fact="1")
    await run_until_idle(worker)
    assert twilio.sent == []

    settings = {"language": "en", "sms": True}
    assert (await tenant.request("PUT", "/notification/settings", json=settings)).status_code == 200
    twilio.errors = [(429, 20429)]
    await tell_fact(tenant, "dunning.notice", INVOICE, customer=ada, fact="1")
    await run_until_idle(worker)
    assert [one["reason"] for one in await messages(tenant, channel="sms")] == ["Twilio answers 429, error 20429"]
    await due_now(runtime)
    await run_until_idle(worker)
    assert twilio.sent == [
        {
            "To": "+491701234567",
            "From": "+15005550006",
            "Body": "acme: your payment of 19.99 EUR failed. Please check your payment method.",
        }
    ]
    (sms,) = await messages(tenant, channel="sms")
    assert (sms["state"], sms["provider"], sms["providerId"][:2]) == ("sent", "twilio", "SM")

    twilio.errors = [(400, 21610), (500, 20500)]
    await tell_fact(tenant, "dunning.notice", INVOICE, customer=ada, fact="1")
    await tell_fact(tenant, "dunning.notice", INVOICE, customer=ada, fact="1")
    await run_until_idle(worker)
    ended = [(one["state"], one["reason"]) for one in await messages(tenant, channel="sms")][1:]
    assert ended == [("failed", "Twilio answers 400, error 21610"), ("uncertain", "Twilio answers 500, error 20500")]


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"email_provider": "smtp"}, "EMAIL_PROVIDER=smtp needs EMAIL_FROM, SMTP_HOST as well"),
        ({"email_provider": "ses"}, "EMAIL_PROVIDER=ses needs EMAIL_FROM as well"),
        ({"email_from": "Acme <a@b.test>"}, "EMAIL_FROM must be an address such as billing@example.com"),
        ({"twilio_account_sid": "AC1"}, "SMS by Twilio needs TWILIO_AUTH_TOKEN, TWILIO_PHONE_NUMBER as well"),
        ({"smtp_user": "me"}, "SMTP_USER and SMTP_PASSWORD are given together"),
    ],
)
def test_half_a_way_out_is_refused_by_name(given: dict[str, Any], problem: str) -> None:
    with pytest.raises(SettingsInvalid, match=problem):
        load_settings(**given)
