"""A fact is told once, by its outcome, to whom it concerns, in their language, and never to an opted-out reader."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from core.billing.notifications.errors import TemplateInvalid
from core.billing.notifications.planning import plan
from core.billing.notifications.rendering import check
from core.billing.notifications.spreading import spread
from core.foundation.clock import wall_now
from core.foundation.ids import new_id
from core.foundation.runtime import Runtime
from core.foundation.settings import Settings
from tests.billing.notifications.conftest import Tell, Work, customer_of, messages
from tests.support.callers import Caller

INVOICE = {
    "number": "INV-2026-0001",
    "currency": "EUR",
    "totalMinor": 1999,
    "openMinor": 1999,
    "periodEnd": "2026-04-01T00:00:00Z",
}


def told_by(*steps: tuple[str, str, dict[str, Any]]) -> list[str | None]:
    """The templates of facts about one invoice, told in this order."""
    subject, told, templates = uuid4(), {}, []
    for kind, fact, document in steps:
        planned = plan(kind, subject_id=subject, fact=fact, document=document, told=told)
        if planned is not None and planned.slot not in told:
            told[planned.slot] = planned.template
            templates.append(planned.template)
        else:
            templates.append(None)
    return templates


def test_a_renewal_is_told_by_its_outcome() -> None:
    paid, failed, renewed = ("invoice.paid", "", {}), ("dunning.notice", "1", {}), ("subscription.renewed", "2", {})
    again, lost = ("dunning.notice", "2", {}), ("dunning.exhausted", "", {})
    of_invoice = ("payment.succeeded", "1", {"invoiceId": "x"})

    assert told_by(renewed, of_invoice, paid) == [None, None, "receipt"]
    assert told_by(paid, failed) == ["receipt", None]
    assert told_by(("invoice.paid", "", {"totalMinor": 0})) == [None]
    assert told_by(("invoice.paid", "", {"totalMinor": -1700})) == [None]
    assert told_by(failed, paid, again) == ["payment_failed", "payment_recovered", None]
    assert told_by(failed, again, lost) == ["payment_failed", "payment_failed", "payment_exhausted"]
    assert told_by(("payment.failed", "1", {"invoiceId": "x"})) == [None]
    assert told_by(("payment.failed", "1", {}), ("payment.succeeded", "2", {})) == [
        "payment_failed",
        "payment_recovered",
    ]


async def test_a_receipt_is_told_once_to_the_customer_and_kept_without_an_address(
    tenant: Caller, tell_fact: Tell, work: Work, runtime: Runtime
) -> None:
    ada = await customer_of(tenant)
    invoice = await tell_fact(tenant, "invoice.paid", INVOICE, customer=ada)
    await tell_fact(tenant, "invoice.paid", INVOICE, customer=ada, subject=invoice)
    await work()
    await work()

    (receipt,) = await messages(tenant)
    assert (receipt["state"], receipt["provider"], receipt["attempts"]) == ("sent", "mailbox", 1)
    assert (receipt["to"], receipt["subject"]) == ("ada@example.test", "Receipt from acme: INV-2026-0001")
    assert receipt["body"] == (
        "Hello Ada Lovelace,\n\nwe received your payment of 19.99 EUR for INV-2026-0001 on 2026-03-01. Thank you.\n"
        "Your subscription runs until 2026-04-01.\n\nacme"
    )
    async with runtime.database.reading() as session:
        rows = (await session.execute(text("SELECT to_jsonb(m)::text FROM notification_messages m"))).scalars().all()
    assert not [row for row in rows if "ada" in row.lower()]


async def test_a_failure_that_was_overtaken_before_it_was_sent_is_not_told(
    tenant: Caller, tell_fact: Tell, work: Work
) -> None:
    ada = await customer_of(tenant)
    invoice = await tell_fact(tenant, "dunning.notice", INVOICE, customer=ada, fact="1")
    await tell_fact(tenant, "invoice.paid", INVOICE, customer=ada, subject=invoice)
    await work()

    told = {one["template"]: one["state"] for one in await messages(tenant)}
    assert told == {"payment_failed": "superseded", "receipt": "sent"}


async def test_a_failure_that_was_told_is_followed_by_the_recovery_and_never_by_a_receipt(
    tenant: Caller, tell_fact: Tell, work: Work
) -> None:
    ada = await customer_of(tenant)
    failed = {**INVOICE, "attempt": 1, "nextAttemptAt": "2026-03-04T00:00:00Z"}
    invoice = await tell_fact(tenant, "dunning.notice", failed, customer=ada, fact="1")
    await work()
    await tell_fact(tenant, "invoice.paid", INVOICE, customer=ada, subject=invoice)
    await tell_fact(tenant, "dunning.notice", failed, customer=ada, subject=invoice, fact="2")
    await work()

    told = await messages(tenant)
    assert [(one["template"], one["state"]) for one in told] == [
        ("payment_failed", "sent"),
        ("payment_recovered", "sent"),
    ]
    assert "We try again on 2026-03-04." in told[0]["body"]


async def test_the_tenant_itself_is_told_through_its_owners_and_its_finance(
    funded_tenant: Caller, tell_fact: Tell, work: Work
) -> None:
    tenant = funded_tenant
    wallets = (await tenant.get("/billing/wallets")).json()["data"]
    low = {"currency": "USD", "availableMicro": 750_000, "thresholdMicro": 1_000_000}
    await tell_fact(tenant, "credits.low", low, customer=wallets[0]["customerId"])
    await work()

    (told,) = await messages(tenant)
    assert (told["recipientKind"], told["to"]) == ("user", tenant.email)
    assert "0.75 USD of your credits are left, less than the 1 USD you wanted to be told at." in told["body"]


async def test_language_and_zone_are_the_customers_and_texts_the_tenants_own(
    tenant: Caller, tell_fact: Tell, work: Work
) -> None:
    ada = await customer_of(tenant, language="de", timeZone="Pacific/Pago_Pago")
    receipt = {"template": "receipt", "language": "de"}
    own = {**receipt, "subject": "Danke, {{ name }}", "body": "{{ amount }} am {{ paid_at|date(zone) }}"}
    assert (await tenant.request("PUT", "/notification/templates", json=own)).status_code == 200
    await tell_fact(tenant, "invoice.paid", INVOICE, customer=ada)
    await tell_fact(tenant, "payment.refunded", {"currency": "JPY", "amountMinor": 500}, customer=ada)
    await work()

    # 09:30 UTC on 1 March is 22:30 on 28 February in Pago Pago.
    sent, refund = await messages(tenant)
    assert (sent["language"], sent["subject"], sent["body"]) == (
        "de",
        "Danke, Ada Lovelace",
        "19.99 EUR am 2026-02-28",
    )
    assert "wir haben Ihnen 500 JPY auf Ihr Zahlungsmittel erstattet" in refund["body"]

    # What was sent stays readable as it was sent.
    standard = await tenant.request("PUT", "/notification/templates", json={**receipt, "body": None})
    assert [one["version"] for one in standard.json()["data"]] == [None]
    assert (await messages(tenant))[0]["body"] == "19.99 EUR am 2026-02-28"


async def test_a_language_without_a_text_of_its_own_falls_back_to_the_nearest_that_has_one(
    tenant: Caller, tell_fact: Tell, work: Work
) -> None:
    people = {
        name: await customer_of(tenant, externalId=name, email=f"{name}@example.test", **fields)
        for name, fields in {
            "vienna": {"language": "de-AT"},
            "rome": {"language": "it"},
            "lugano": {"language": "it-CH"},
            "nowhere": {},
        }.items()
    }

    async def texts(**of: str) -> None:
        for language, body in of.items():
            text = {"template": "receipt", "language": language.replace("_", "-"), "subject": language, "body": body}
            assert (await tenant.request("PUT", "/notification/templates", json=text)).status_code == 200

    async def told() -> list[tuple[str, str]]:
        seen = len(await messages(tenant, limit=200))
        for who in people.values():
            await tell_fact(tenant, "invoice.paid", INVOICE, customer=who)
        await work()
        fresh = (await messages(tenant, limit=200))[seen:]
        return sorted((one["to"].partition("@")[0], one["language"]) for one in fresh)

    # Standard texts are English and German; no Italian anywhere.
    assert await told() == [("lugano", "en"), ("nowhere", "en"), ("rome", "en"), ("vienna", "de")]
    assert (await tenant.request("PUT", "/notification/settings", json={"language": "fr", "sms": False})).is_success
    await texts(fr="Merci {{ name }}", it="Grazie {{ name }}", de_at="Servus {{ name }}")
    assert await told() == [("lugano", "it"), ("nowhere", "fr"), ("rome", "it"), ("vienna", "de-at")]
    gone = {"template": "receipt", "body": None}
    for language in ("it", "de-AT"):
        withdrawn = await tenant.request("PUT", "/notification/templates", json={**gone, "language": language})
        assert withdrawn.is_success
    assert await told() == [("lugano", "fr"), ("nowhere", "fr"), ("rome", "fr"), ("vienna", "de")]


async def test_one_may_opt_out_of_receipts_by_the_mails_own_link_and_not_of_failures(
    tenant: Caller, tell_fact: Tell, work: Work, settings: Settings, runtime: Runtime
) -> None:
    from core.billing.notifications.unsubscribing import link

    ada = await customer_of(tenant)
    async with runtime.database.reading() as session:
        acme = await session.scalar(text("SELECT id FROM tenants WHERE slug = 'acme'"))
    address = link(settings, acme, UUID(ada), "receipts").replace(settings.public_api_url, "")
    shown = await tenant.client.get(address)
    assert (shown.status_code, shown.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert (await tenant.get(f"/notification/opt-outs/{ada}")).json()["optOuts"] == []
    clicked = await tenant.client.post(
        address, content="List-Unsubscribe=One-Click", headers={"content-type": "application/x-www-form-urlencoded"}
    )
    assert clicked.status_code == 204
    assert (await tenant.get(f"/notification/opt-outs/{ada}")).json()["optOuts"] == [
        {"channel": "email", "category": "receipts"}
    ]
    broken = await tenant.client.post(address[:-3])
    assert (broken.status_code, broken.json()["code"]) == (400, "unsubscribe_invalid")

    await tell_fact(tenant, "invoice.paid", INVOICE, customer=ada)
    await tell_fact(tenant, "dunning.notice", INVOICE, customer=ada, fact="1")
    await work()
    told = {one["template"]: (one["state"], one["reason"]) for one in await messages(tenant)}
    assert told == {"receipt": ("skipped", "opted_out"), "payment_failed": ("sent", None)}

    refused = await tenant.request(
        "PUT", f"/notification/opt-outs/{ada}", json={"optOuts": [{"channel": "email", "category": "payments"}]}
    )
    assert (refused.status_code, refused.json()["code"]) == (422, "opt_out_refused")


async def test_who_has_no_address_is_skipped_and_may_be_told_later_by_hand(
    tenant: Caller, tell_fact: Tell, work: Work
) -> None:
    ada = await customer_of(tenant, email=None)
    await tell_fact(tenant, "invoice.paid", INVOICE, customer=ada)
    await work()
    (skipped,) = await messages(tenant)
    assert (skipped["state"], skipped["reason"]) == ("skipped", "no_address")

    assert (await tenant.patch(f"/billing/customers/{ada}", {"email": "new@example.test"})).status_code == 200
    address = f"/notification/messages/{skipped['messageId']}/resend"
    assert (await tenant.post(address)).json()["state"] == "queued"
    await work()
    (sent,) = await messages(tenant)
    assert (sent["state"], sent["to"]) == ("sent", "new@example.test")
    again = await tenant.post(address)
    assert (again.status_code, again.json()["code"]) == (409, "message_not_resendable")


async def test_a_new_api_key_is_told_to_the_owners(tenant: Caller, work: Work) -> None:
    made = (await tenant.post("/auth/api-keys", {"name": "production", "scopes": ["usage:write"]})).json()
    await work()
    (told,) = await messages(tenant)
    assert (told["template"], told["to"]) == ("api_key_created", tenant.email)
    assert f"cbk_{made['prefix']}" in told["body"]
    assert made["key"] not in told["body"]


async def test_what_a_fact_does_not_say_is_not_made_up(tenant: Caller, tell_fact: Tell, work: Work) -> None:
    ada = await customer_of(tenant)
    await tell_fact(tenant, "invoice.paid", {"number": "INV-1"}, customer=ada)
    await work()
    (failed,) = await messages(tenant)
    assert (failed["state"], failed["reason"]) == ("failed", "the fact does not say amount")


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("Hello {{ nmae }}", "'nmae' is undefined"),
        ("Hello {{ name }", "unexpected '}'"),
        ("line one\n{% for i in range(10) %}x{% endfor %}", "for is not allowed"),
        ("{{ name.__class__.__mro__ }}", "getattr is not allowed"),
        ("{{ 'a' * 100000000 }}", "mul is not allowed"),
        ("{{ name|tojson }}", "the filters are upper"),
        ("{{ period_end|date(zone) }}", "these may be none"),
        ("{% if false %}x{% endif %}", "nothing is left"),
        ("   ", "it is empty"),
        ("x" * 20_001, "longer than 20000"),
        ("{% include 'secret' %}", "include is not allowed"),
    ],
)
def test_a_template_that_does_not_render_is_refused_by_name(body: str, problem: str) -> None:
    with pytest.raises(TemplateInvalid) as refused:
        check("receipt", channel="email", subject="Receipt", body=body)
    assert refused.value.detail.startswith("receipt, body")
    assert problem in refused.value.detail


async def test_a_template_that_was_refused_changes_nothing(tenant: Caller) -> None:
    body = {"template": "receipt", "language": "en", "subject": "Receipt", "body": "one\n{{ nmae }}"}
    refused = await tenant.request("PUT", "/notification/templates", json=body)
    assert (refused.status_code, refused.json()["code"], refused.json()["line"]) == (422, "template_invalid", 2)
    answer = await tenant.get("/notification/templates")
    assert answer.status_code == 200, answer.text
    assert next(one for one in answer.json()["data"] if one["template"] == "receipt")["version"] is None


async def test_every_standard_text_renders_with_and_without_what_may_be_missing(tenant: Caller) -> None:
    texts = (await tenant.get("/notification/templates")).json()["data"]
    assert len(texts) == 52
    for one in texts:
        check(one["template"], channel=one["channel"], subject=one["subject"], body=one["body"])
    sms = {"template": "low_balance", "channel": "sms"}
    shown = await tenant.post("/notification/templates/preview", {**sms, "body": "{{ seller }}: {{ balance }} left"})
    assert shown.json() == {"subject": None, "body": "Acme Ltd: 0.75 USD left"}
    unknown = await tenant.request(
        "PUT", "/notification/templates", json={**sms, "template": "receipt", "language": "en", "body": "x"}
    )
    assert (unknown.status_code, unknown.json()["code"]) == (404, "template_unknown")


async def test_after_a_restore_nobody_is_told_twice(
    tenant: Caller, tell_fact: Tell, work: Work, runtime: Runtime, settings: Settings, connect: Any
) -> None:
    from core.operations.recovery import holding, releasing

    ada = await customer_of(tenant)
    older = new_id()
    waiting = await tell_fact(tenant, "invoice.paid", INVOICE, customer=ada)
    async with runtime.database.reading() as session:
        acme = await session.scalar(text("SELECT id FROM tenants WHERE slug = 'acme'"))
    async with runtime.database.tenant(acme) as session:
        await spread(session, tenant_id=acme, wall=wall_now())
    holding.hold_copy(settings.owner_url, reason="restored to the minute before", state_of=wall_now())
    unpaid = runtime.settings.model_copy(update={"stripe_secret_key": None})
    assert await releasing.release_all(runtime.database, unpaid, by="a test") is not None

    # Caught up with: a purchase of before, an invoice made anew. New: an API key.
    await tell_fact(tenant, "payment.succeeded", {"currency": "EUR", "amountMinor": 5}, customer=ada, subject=older)
    await tell_fact(tenant, "invoice.paid", INVOICE, customer=ada)
    await tenant.post("/auth/api-keys", {"name": "new", "scopes": ["usage:write"]})
    await work()
    told = {
        (one["template"], one["subjectId"] in (str(waiting), str(older))): one["state"]
        for one in await messages(tenant)
    }
    assert told == {("receipt", True): "uncertain", ("receipt", False): "uncertain", ("api_key_created", False): "sent"}

    released = await connect("admin")
    await released.execute("SET session_replication_role = replica")
    await released.execute("UPDATE worker_holds SET released_at = released_at - interval '16 minutes'")
    await released.commit()
    later = await tell_fact(tenant, "invoice.paid", INVOICE, customer=ada)
    await work()
    assert [one["state"] for one in await messages(tenant) if one["subjectId"] == str(later)] == ["sent"]
