"""Webhooks: signed, at least once, in order for each object, tried for days, replayed, only to where they may go."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from sqlalchemy import text
from standardwebhooks import Webhook, WebhookVerificationError

from core.billing.notifications.webhooks.addresses import is_public, locate
from core.billing.notifications.webhooks.errors import WebhookAddressRefused
from core.foundation.runtime import Runtime
from core.foundation.settings import Settings
from tests.billing.notifications.conftest import Listener, Tell, Work, customer_of, messages
from tests.support.callers import Caller

PAID = {"number": "INV-2026-0001", "currency": "EUR", "totalMinor": 1999}


@pytest.fixture
def settings(make_settings: Any) -> Settings:
    """Endpoints on this machine are allowed, as somebody who tries things out allows them."""
    return make_settings(webhooks_allow_private=True)


async def endpoint(tenant: Caller, listener: Listener, *kinds: str) -> dict[str, Any]:
    answer = await tenant.post("/notification/webhooks", {"url": listener.url, "kinds": list(kinds)})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def deliveries(tenant: Caller, **query: str) -> list[dict[str, Any]]:
    return list(reversed((await tenant.get("/notification/deliveries", **query)).json()["data"]))


async def let_pass(runtime: Runtime, waited: timedelta) -> None:
    """The wall clock goes on, as the queue and the deliveries see it."""
    async with runtime.database.nobody() as session:
        await session.execute(
            text("UPDATE procrastinate_jobs SET scheduled_at = scheduled_at - CAST(:w AS interval)"), {"w": waited}
        )
    async with runtime.database.reading() as session:
        tenants = (await session.scalars(text("SELECT DISTINCT tenant_id FROM webhook_deliveries"))).all()
    for tenant_id in tenants:
        async with runtime.database.tenant(tenant_id) as session:
            for table, column in (("webhook_deliveries", "next_attempt_at"), ("webhook_endpoints", "failing_since")):
                await session.execute(
                    text(f"UPDATE {table} SET {column} = {column} - CAST(:w AS interval)"), {"w": waited}
                )


async def test_a_webhook_is_signed_as_standard_webhooks_says_and_carries_the_fact(
    tenant: Caller, listener: Listener, tell_fact: Tell, work: Work
) -> None:
    made = await endpoint(tenant, listener)
    invoice = await tell_fact(tenant, "invoice.paid", PAID)
    await work()

    ((headers, body),) = listener.calls
    Webhook(made["secret"]).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(made["secret"]).verify(body.replace(b"1999", b"1998"), headers)
    (delivery,) = await deliveries(tenant)
    assert orjson.loads(body) == {
        "id": delivery["eventId"],
        "type": "invoice.paid",
        "timestamp": "2026-03-01T09:30:00Z",
        "data": {**PAID, "subjectId": str(invoice)},
    }
    assert headers["webhook-id"] == delivery["eventId"]
    assert (delivery["state"], delivery["attempts"], delivery["lastStatus"]) == ("delivered", 1, 200)
    detail = (await tenant.get(f"/notification/deliveries/{delivery['deliveryId']}")).json()
    assert [(call["number"], call["status"], call["answer"]) for call in detail["calls"]] == [(1, 200, "thanks")]
    assert detail["body"] == orjson.loads(body)
    # The secret was shown once.
    assert "secret" not in (await tenant.get(f"/notification/webhooks/{made['webhookId']}")).json()


async def test_a_rotated_secret_and_the_former_one_both_verify_until_the_overlap_is_over(
    tenant: Caller, listener: Listener, tell_fact: Tell, work: Work
) -> None:
    made = await endpoint(tenant, listener)
    address = f"/notification/webhooks/{made['webhookId']}/secret"
    second = (await tenant.post(address, {"overlapHours": 24})).json()["secret"]
    await tell_fact(tenant, "invoice.paid", PAID)
    await work()
    third = (await tenant.post(address, {"overlapHours": 0})).json()["secret"]
    await tell_fact(tenant, "invoice.paid", PAID)
    await work()

    (headers, body), (later, last) = listener.calls
    Webhook(made["secret"]).verify(body, headers)
    Webhook(second).verify(body, headers)
    Webhook(third).verify(last, later)
    for former in (made["secret"], second):
        with pytest.raises(WebhookVerificationError):
            Webhook(former).verify(last, later)


async def test_an_endpoint_gets_the_kinds_it_listens_to(
    tenant: Caller, other: Caller, listener: Listener, tell_fact: Tell, work: Work
) -> None:
    await endpoint(tenant, listener, "invoice.paid", "subscription.canceled")
    for kind in ("invoice.finalized", "invoice.paid", "credits.low"):
        await tell_fact(tenant, kind, PAID)
    await tell_fact(other, "invoice.paid", PAID)
    await work()
    assert listener.kinds() == ["invoice.paid"]

    unknown = await tenant.post("/notification/webhooks", {"url": listener.url, "kinds": ["invoice.payed"]})
    assert (unknown.status_code, unknown.json()["code"]) == (422, "invalid_input")


async def test_facts_about_one_object_arrive_in_their_order_however_often_the_first_fails(
    tenant: Caller, listener: Listener, tell_fact: Tell, work: Work, runtime: Runtime
) -> None:
    await endpoint(tenant, listener)
    listener.statuses = [500, 200]
    invoice = await tell_fact(tenant, "invoice.created", PAID)
    await tell_fact(tenant, "invoice.finalized", PAID, subject=invoice)
    await work()
    await tell_fact(tenant, "invoice.paid", PAID, subject=invoice)
    await tell_fact(tenant, "invoice.voided", PAID)
    await work()
    # The other object did not wait for the one that failed.
    assert listener.kinds() == ["invoice.created", "invoice.voided"]

    await let_pass(runtime, timedelta(seconds=10))
    await work()
    assert listener.kinds() == [
        "invoice.created",
        "invoice.voided",
        "invoice.created",
        "invoice.finalized",
        "invoice.paid",
    ]
    ids = [headers["webhook-id"] for headers, _ in listener.calls]
    assert ids[0] == ids[2]
    assert [one["state"] for one in await deliveries(tenant)] == ["delivered"] * 4


async def test_what_fails_is_tried_for_three_days_and_an_endpoint_that_fails_for_five_is_disabled_with_a_notice(
    tenant: Caller, listener: Listener, tell_fact: Tell, work: Work, runtime: Runtime
) -> None:
    made = await endpoint(tenant, listener)
    listener.statuses = [503]
    await tell_fact(tenant, "invoice.paid", PAID)
    await work()
    waits = []
    for _ in range(10):
        (delivery,) = await deliveries(tenant)
        waits.append(datetime.fromisoformat(delivery["nextAttemptAt"]) - datetime.now(UTC))
        await let_pass(runtime, timedelta(days=1.3))
        async with runtime.database.tenant(await _id(runtime)) as session:
            await session.execute(text("UPDATE webhook_endpoints SET failing_since = now()"))
        await work()
    (delivery,) = await deliveries(tenant)
    assert (delivery["state"], delivery["attempts"], delivery["nextAttemptAt"]) == ("failed", 11, None)
    assert timedelta(days=2.8) < sum(waits, timedelta()) < timedelta(days=3.8)
    assert len(listener.calls) == 11

    await tell_fact(tenant, "invoice.paid", PAID)
    await tell_fact(tenant, "invoice.voided", PAID)
    await let_pass(runtime, timedelta(days=6))
    await work()
    shown = (await tenant.get(f"/notification/webhooks/{made['webhookId']}")).json()
    assert shown["state"] == "disabled"
    assert {one["state"] for one in await deliveries(tenant)} <= {"failed", "canceled"}
    await work()
    (notice,) = [one for one in await messages(tenant) if one["template"] == "webhook_disabled"]
    assert (notice["to"], notice["state"]) == (tenant.email, "sent")
    test = await tenant.post(f"/notification/webhooks/{made['webhookId']}/test")
    assert (test.status_code, test.json()["code"]) == (409, "webhook_disabled")


async def _id(runtime: Runtime) -> Any:
    async with runtime.database.reading() as session:
        return await session.scalar(text("SELECT id FROM tenants WHERE slug = 'acme'"))


async def test_what_was_missed_is_replayed_since_an_instant_or_one_by_one_under_the_same_id(
    tenant: Caller, listener: Listener, tell_fact: Tell, work: Work
) -> None:
    invoice = await tell_fact(tenant, "invoice.created", PAID)
    await work()  # before there was an endpoint
    made = await endpoint(tenant, listener)
    await tell_fact(tenant, "invoice.paid", PAID, subject=invoice)
    await work()
    address = f"/notification/webhooks/{made['webhookId']}"
    assert (await tenant.patch(address, {"state": "disabled"})).json()["state"] == "disabled"
    await tell_fact(tenant, "invoice.voided", PAID, subject=invoice)
    await work()
    assert listener.kinds() == ["invoice.paid"]
    assert (await tenant.patch(address, {"state": "active"})).json()["disabledReason"] is None

    since = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    assert (await tenant.post(f"{address}/replay", {"since": since})).json() == {"replayed": 2}
    await work()
    assert listener.kinds() == ["invoice.paid", "invoice.created", "invoice.voided"]
    assert (await tenant.post(f"{address}/replay", {"since": since, "all": True})).json() == {"replayed": 3}
    await work()
    assert listener.kinds()[3:] == ["invoice.created", "invoice.paid", "invoice.voided"]
    paid = next(one for one in await deliveries(tenant) if one["kind"] == "invoice.paid")
    assert (await tenant.post(f"/notification/deliveries/{paid['deliveryId']}/replay")).status_code == 202
    await work()
    assert listener.kinds()[6:] == ["invoice.paid"]
    assert {headers["webhook-id"] for headers, body in listener.calls if b"invoice.paid" in body} == {paid["eventId"]}


async def test_an_endpoint_that_was_disabled_while_facts_waited_gets_them_in_their_order_under_their_ids(
    tenant: Caller, listener: Listener, tell_fact: Tell, work: Work, runtime: Runtime
) -> None:
    made = await endpoint(tenant, listener)
    address = f"/notification/webhooks/{made['webhookId']}"
    listener.statuses = [500]
    first, second = await tell_fact(tenant, "invoice.created", PAID), await tell_fact(tenant, "invoice.created", PAID)
    await tell_fact(tenant, "invoice.finalized", PAID, subject=first)
    await work()
    for _ in range(2):  # refused again, each object's first alone
        await let_pass(runtime, timedelta(hours=3))
        await work()
    assert set(listener.kinds()) == {"invoice.created"}
    listener.statuses = [410]  # gone: nothing more is called
    await let_pass(runtime, timedelta(hours=12))
    await work()
    calls = len(listener.calls)
    await tell_fact(tenant, "invoice.paid", PAID, subject=first)
    await let_pass(runtime, timedelta(days=1))
    await work()
    shown = (await tenant.get(address)).json()
    assert (shown["state"], len(listener.calls)) == ("disabled", calls)
    notices = [one for one in await messages(tenant) if one["template"] == "webhook_disabled"]
    assert len(notices) == 1  # told once

    tried = {orjson.loads(body)["data"]["subjectId"]: headers["webhook-id"] for headers, body in listener.calls}
    assert set(tried) == {str(first), str(second)}
    listener.statuses = [200]
    assert (await tenant.patch(address, {"state": "active"})).is_success
    since = (datetime.now(UTC) - timedelta(days=20)).isoformat()
    assert (await tenant.post(f"{address}/replay", {"since": since})).json() == {"replayed": 5}
    await work()
    got = [(orjson.loads(body), headers["webhook-id"]) for headers, body in listener.calls[calls:]]
    of_first = [(one["type"], told) for one, told in got if one["data"]["subjectId"] == str(first)]
    assert [kind for kind, _ in of_first] == ["invoice.created", "invoice.finalized", "invoice.paid"]
    assert of_first[0][1] == tried[str(first)]
    assert [told for one, told in got if one["data"]["subjectId"] == str(second)] == [tried[str(second)]]
    assert len(got) == 5
    assert "webhook.endpoint_disabled" in {one["type"] for one, _ in got}  # the fifth: that it was
    # What got through is replayed no more.
    assert (await tenant.post(f"{address}/replay", {"since": since})).json() == {"replayed": 0}
    assert {one["state"] for one in await deliveries(tenant)} == {"delivered"}


async def test_a_test_goes_to_the_endpoint_that_is_tested_alone(tenant: Caller, listener: Listener, work: Work) -> None:
    made = await endpoint(tenant, listener, "invoice.paid")
    await endpoint(tenant, listener)
    test_id = (await tenant.post(f"/notification/webhooks/{made['webhookId']}/test")).json()["testId"]
    await work()
    ((_, body),) = listener.calls
    assert orjson.loads(body)["type"] == "webhook.test"
    assert orjson.loads(body)["data"]["testId"] == test_id


async def test_redirects_are_not_followed_and_long_answers_are_cut(
    tenant: Caller, listener: Listener, tell_fact: Tell, work: Work
) -> None:
    await endpoint(tenant, listener)
    listener.statuses, listener.location, listener.body = [302], listener.url + "/inside", b"x" * 100_000
    await tell_fact(tenant, "invoice.paid", PAID)
    await work()
    assert len(listener.calls) == 1
    (delivery,) = await deliveries(tenant)
    assert (delivery["state"], delivery["lastStatus"]) == ("pending", 302)
    assert delivery["lastError"].startswith("redirects are not followed")
    (call,) = (await tenant.get(f"/notification/deliveries/{delivery['deliveryId']}")).json()["calls"]
    assert call["answer"] == "x" * 1000


async def test_of_what_an_endpoint_says_of_somebody_who_was_erased_nothing_is_kept(
    tenant: Caller, listener: Listener, tell_fact: Tell, work: Work
) -> None:
    await endpoint(tenant, listener, "invoice.paid", "invoice.voided")
    listener.body = b"thanks, Ada Lovelace"
    ada = await customer_of(tenant)

    async def answers() -> list[tuple[int, str | None]]:
        shown = [
            (await tenant.get(f"/notification/deliveries/{one['deliveryId']}")).json()
            for one in await deliveries(tenant)
        ]
        return [(call["status"], call["answer"]) for one in shown for call in one["calls"]]

    invoice = await tell_fact(tenant, "invoice.paid", PAID, customer=ada)
    await work()
    assert await answers() == [(200, "thanks, Ada Lovelace")]
    assert (await tenant.post(f"/billing/customers/{ada}/erasure")).is_success
    (first,) = await deliveries(tenant)
    assert (await tenant.post(f"/notification/deliveries/{first['deliveryId']}/replay")).status_code == 202
    await tell_fact(tenant, "invoice.voided", PAID, customer=ada, subject=invoice)
    await work()
    assert await answers() == [(200, None), (200, None), (200, None)]


@pytest.mark.parametrize(
    ("status", "state", "endpoint_state"), [("200 OK", "delivered", "active"), ("410 Gone", "canceled", "disabled")]
)
async def test_the_status_decides_though_the_answer_behind_it_breaks_off(
    tenant: Caller, tell_fact: Tell, work: Work, status: str, state: str, endpoint_state: str
) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b'"invoice.paid"}')
        writer.write(f"HTTP/1.1 {status}\r\ncontent-length: 100\r\n\r\nhalf".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hooks"
        made = (await tenant.post("/notification/webhooks", {"url": url, "kinds": ["invoice.paid"]})).json()
        await tell_fact(tenant, "invoice.paid", PAID)
        await work()
    (delivery,) = await deliveries(tenant)
    assert (delivery["state"], delivery["lastStatus"], delivery["lastError"]) == (state, int(status[:3]), None)
    (call,) = (await tenant.get(f"/notification/deliveries/{delivery['deliveryId']}")).json()["calls"]
    assert call["answer"] == "half"
    listed = (await tenant.get(f"/notification/webhooks/{made['webhookId']}")).json()
    assert listed["state"] == endpoint_state


async def test_what_is_no_http_is_named_without_repeating_it(tenant: Caller, tell_fact: Tell, work: Work) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b'"invoice.paid"}')
        writer.write(b"Ada Lovelace: 4111111111111111\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hooks"
        assert (await tenant.post("/notification/webhooks", {"url": url})).is_success
        await tell_fact(tenant, "invoice.paid", PAID)
        await work()
    (delivery,) = await deliveries(tenant)
    assert (delivery["state"], delivery["lastError"]) == ("pending", "not an answer in HTTP: illegal status line")


async def test_a_name_that_turns_to_a_private_address_is_not_called(
    tenant: Caller, listener: Listener, tell_fact: Tell, work: Work, runtime: Runtime, settings: Settings
) -> None:
    # Saved while private addresses were allowed; refused at the call, whatever it was when it was saved.
    await endpoint(tenant, listener)
    strict = Runtime(settings.model_copy(update={"webhooks_allow_private": False}), runtime.database, runtime.cache)
    await tell_fact(tenant, "invoice.paid", PAID)
    from core.worker.app import run_until_idle

    await run_until_idle(strict)
    assert listener.calls == []
    (delivery,) = await deliveries(tenant)
    assert delivery["lastError"].startswith("webhook_address_refused")


@pytest.mark.parametrize(
    "url",
    [
        "http://93.184.215.14/hooks",
        "https://127.0.0.1/hooks",
        "https://localhost/hooks",
        "https://10.1.2.3/",
        "https://192.168.0.1/",
        "https://172.16.5.5/",
        "https://169.254.169.254/latest/meta-data",
        "https://100.64.0.1/",
        "https://0.0.0.0/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://[2002:7f00:1::]/",
        "https://[fe80::1]/",
        "https://[fd00::1]/",
        "https://[64:ff9b:1::7f00:1]/",
        "https://[::ffff:0:7f00:1]/",
        "https://[fec0::1]/",
        "https://[2606:4700::5efe:a00:1]/",
        "https://[2606:4700::200:5efe:7f00:1]/",
        "https://[2001:0:4136:e378:8000:63bf:80ff:fffe]/",
        "https://[5f00::1]/",
        "https://0177.0.0.1/",
        "https://192.0.0.8/",
        "https://192.88.99.1/",
        "https://224.0.0.1/",
        "https://user:word@93.184.215.14/",
        "https://93.184.215.14/#there",
        "https://no-such-name.invalid/",
        "ftp://93.184.215.14/",
        "https:///hooks",
        "https://93.184.215.14:99999/",
        "https://exa mple.com/",
        "hooks",
    ],
)
async def test_an_endpoint_on_a_private_address_is_refused_by_name(url: str) -> None:
    from core.billing.notifications.webhooks.service import check_address

    with pytest.raises(WebhookAddressRefused):
        await check_address(Settings(), url)


async def test_a_public_address_is_called_by_the_address_that_was_checked() -> None:
    target = await locate("https://93.184.215.14:8443/hooks?a=1", private=False)
    assert (target.url, target.authority) == ("https://93.184.215.14:8443/hooks?a=1", "93.184.215.14:8443")
    from ipaddress import ip_address

    assert is_public(ip_address("2606:2800:21f:cb07:6820:80da:af6b:8b2c"))
    assert not is_public(ip_address("::7f00:1"))


async def test_the_route_refuses_a_private_address_and_changes_nothing(make_settings: Any, cache: Any) -> None:
    from core.api.app import create_app
    from tests.support import callers, lifespan

    application = create_app(make_settings())
    async with lifespan.started(application), lifespan.client_of(application) as client:
        tenant = await callers.sign_up(client, "acme")
        for url in ("https://127.0.0.1/hooks", "http://example.com/hooks", "https://[::ffff:10.0.0.1]/"):
            refused = await tenant.post("/notification/webhooks", {"url": url})
            assert (refused.status_code, refused.json()["code"]) == (422, "webhook_address_refused")
        assert (await tenant.get("/notification/webhooks")).json()["data"] == []
