"""Batches of metered events: each event has its own result, each key counts once for ever, nothing else is lost."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from tests.billing.metering.conftest import Metering, event
from tests.support.callers import Caller
from tests.support.furnished import made

Connect = Callable[..., Awaitable[psycopg.AsyncConnection[Any]]]


def codes(answer: dict[str, Any]) -> list[str]:
    return [line.get("code", line["status"]) for line in answer["data"]]


async def test_a_key_counts_once_for_ever(metering: Metering) -> None:
    await metering.meter("calls")
    first, second = event(idempotencyKey="a", n=1), event(idempotencyKey="b")
    once = await metering.send(first, second, first)
    assert codes(once) == ["accepted", "accepted", "duplicate"]
    again = await metering.send({**first, "properties": {"n": 2}}, second, event(idempotencyKey="c"))
    assert codes(again) == ["idempotency_key_reused", "duplicate", "accepted"]
    assert again["data"][1]["usageEventId"] == once["data"][1]["usageEventId"]
    assert (again["accepted"], again["duplicates"], again["refused"]) == (1, 1, 1)
    assert await metering.quantity("calls") == "3"


async def test_two_inputs_under_one_key_in_one_batch(metering: Metering) -> None:
    await metering.meter("calls")
    answer = await metering.send(event(idempotencyKey="a", n=1), event(idempotencyKey="a", n=2))
    assert codes(answer) == ["accepted", "idempotency_key_reused"]
    assert await metering.quantity("calls") == "1"


async def test_the_same_input_may_be_spelt_otherwise(clocked: Metering) -> None:
    one = event(idempotencyKey="a", occurredAt="2027-03-10T12:00:00Z", b=1, a=2)
    other = {**one, "occurredAt": "2027-03-10T14:00:00+02:00", "properties": {"a": 2, "b": 1}}
    assert codes(await clocked.send(one, other)) == ["accepted", "duplicate"]


async def test_keys_of_reconciled_calls_and_of_metered_events_are_one_space(
    funded_tenant: Caller,
) -> None:
    call = {"model": "gpt-4o", "inputTokens": 1000, "outputTokens": 500, "userId": "ada"}
    await made(funded_tenant.post("/api/usage/reconcile", {**call, "idempotencyKey": "settled"}))
    metering = Metering(funded_tenant)
    answer = await metering.send(event(idempotencyKey="settled"), event(idempotencyKey="metered"))
    assert codes(answer) == ["idempotency_key_reused", "accepted"]
    refused = await funded_tenant.post("/api/usage/reconcile", {**call, "idempotencyKey": "metered"})
    assert (refused.status_code, refused.json()["code"]) == (409, "idempotency_key_reused")
    assert len((await made(funded_tenant.get("/api/usage/events")))["data"]) == 1
    assert len((await made(funded_tenant.get("/billing/usage/events")))["data"]) == 1


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"idempotencyKey": ""}, "invalid_input"),
        ({"idempotencyKey": "x" * 201}, "invalid_input"),
        ({"idempotencyKey": "a\tb"}, "invalid_input"),
        ({"idempotencyKey": None}, "invalid_input"),
        ({"eventName": 7}, "invalid_input"),
        ({"occurredAt": "yesterday"}, "invalid_input"),
        ({"occurredAt": "2027-03-10T12:00:00"}, "invalid_input"),
        ({"occurredAt": 1800000000}, "invalid_input"),
        ({"occurredAt": "2027-03-10T12:36:00Z"}, "usage_event_in_future"),
        ({"occurredAt": "2027-01-10T12:00:00Z"}, "usage_event_too_old"),
        ({"customerId": "ada"}, "invalid_input"),
        ({"customerId": "019b76da-a800-7000-8000-0000000000e0"}, "customer_not_found"),
        ({"customerId": "019b76da-a800-7000-8000-0000000000e0", "externalId": "ada"}, "invalid_input"),
        ({"properties": []}, "invalid_input"),
        ({"properties": {"n": {"deep": 1}}}, "invalid_input"),
        ({"properties": {"n": 1, "text": "x" * 1001}}, "invalid_input"),
        ({"properties": {f"p{number}": 1 for number in range(51)}}, "invalid_input"),
        ({"properties": {"n": 1, "nul": "\x00"}}, "invalid_input"),
        ({"properties": {}}, "usage_property_missing"),
        ({"properties": {"n": "many"}}, "usage_quantity_invalid"),
        ({"properties": {"n": True}}, "usage_quantity_invalid"),
        ({"properties": {"n": -1}}, "usage_quantity_out_of_range"),
        ({"properties": {"n": 10**26}}, "usage_quantity_out_of_range"),
        ({"properties": {"n": 0.1234567890123}}, "usage_quantity_out_of_range"),
        ({"quantity": -1}, "usage_quantity_out_of_range"),
        ({"quantity": "1e3"}, "usage_quantity_invalid"),
        ({"surprise": 1}, "invalid_input"),
    ],
)
async def test_a_bad_event_is_refused_by_name_and_harms_no_other(
    clocked: Metering, fields: dict[str, Any], code: str
) -> None:
    await clocked.meter("sum", "sum", property="n", countsFrom="2026-12-01T00:00:00Z")
    bad = {"idempotencyKey": "bad", "eventName": "call", "externalId": "bob", "properties": {"n": 1}, **fields}
    if "customerId" in fields and "externalId" not in fields:
        del bad["externalId"]
    answer = await clocked.send(event(n=1), bad, event(n=2))
    assert codes(answer) == ["accepted", code, "accepted"]
    assert await clocked.quantity("sum") == "3"
    # Nothing of it is left: its key is free, and its customer was not made.
    assert (await clocked.caller.get("/billing/usage", meter="sum", externalId="bob")).status_code == 404
    good = event(idempotencyKey="bad", n=4)
    assert codes(await clocked.send(good)) == ["accepted"]


async def test_what_occurred_before_the_subscription_or_the_tenant_is_refused(clocked: Metering) -> None:
    await clocked.send(event(occurredAt="2027-03-01T00:00:00Z"))
    answer = await clocked.send(event(externalId="ada"))
    usage = (await made(clocked.caller.get("/billing/usage/events")))["data"]
    assert codes(answer) == ["accepted"]
    await made(
        clocked.caller.post("/billing/subscriptions", {"planId": "starter", "customerId": usage[0]["customerId"]})
    )
    refused = await clocked.send(event(occurredAt="2027-03-10T12:29:59Z"), event(occurredAt="2027-03-10T12:30:00Z"))
    assert codes(refused) == ["usage_before_subscription", "accepted"]
    own = event(occurredAt="2027-03-01T00:00:00Z")
    del own["externalId"]
    assert codes(await clocked.send(own)) == ["accepted"]


async def test_the_tenants_own_clock_says_what_the_future_is(clocked: Metering) -> None:
    now = datetime.now(UTC)
    answer = await clocked.send(event(occurredAt=now.isoformat()), event())
    assert codes(answer)[1] == "accepted"
    assert codes(answer)[0] in ("usage_event_too_old", "usage_event_in_future")
    assert (await made(clocked.caller.get("/billing/usage/events")))["data"][0]["occurredAt"] == "2027-03-10T12:30:00Z"


@pytest.mark.parametrize("count", [0, 1_001])
async def test_no_event_and_1001_are_refused_whole(metering: Metering, count: int) -> None:
    answer = await metering.caller.post("/billing/usage/events", {"events": [event() for _ in range(count)]})
    assert (answer.status_code, answer.json()["code"]) == (422, "usage_batch_size")
    assert "events" in answer.json()["errors"][0]["field"]
    assert (await made(metering.caller.get("/billing/usage/events")))["data"] == []


async def test_a_thousand_large_events_fit(metering: Metering) -> None:
    await metering.meter("calls")
    answer = await metering.send(*(event(text="x" * 1000, more="y" * 800) for _ in range(1_000)))
    assert answer["accepted"] == 1_000
    assert await metering.quantity("calls") == "1000"


async def test_texts_come_back_as_they_were_sent(metering: Metering) -> None:
    properties = {"back\\slash": 'tab\t new\n \\N \\. "quote" ü 💰', "n": 12345678901234567890, "no": None, "yes": True}
    sent = event(idempotencyKey="\\N key \\.", eventName="na\\me", properties=properties)
    assert codes(await metering.send(sent)) == ["accepted"]
    (found,) = (await made(metering.caller.get("/billing/usage/events")))["data"]
    assert (found["idempotencyKey"], found["eventName"], found["properties"]) == ("\\N key \\.", "na\\me", properties)


async def test_fractions_are_taken_by_their_digits(metering: Metering) -> None:
    await metering.meter("sum", "sum", property="n")
    body = b'{"events": [%s]}' % b",".join(
        b'{"idempotencyKey":"k%d","eventName":"call","externalId":"ada","properties":{"n":%s}}' % (number, n)
        for number, n in enumerate([b"99999999999999999999999999.000000000001", b"0.1", b"0.2", b"1e3", b"1.50"])
    )
    answer = await metering.caller.client.post(
        "/billing/usage/events",
        content=body,
        headers={"Authorization": f"Bearer {metering.caller.token}", "Content-Type": "application/json"},
    )
    assert codes(answer.json()) == ["accepted"] * 5
    assert await metering.quantity("sum") == "100000000000000000000001000.800000000001"


async def test_an_event_that_no_meter_counts_is_kept(metering: Metering) -> None:
    answer = await metering.send(event(eventName="unheard-of"))
    assert (answer["accepted"], answer["data"][0]["meters"]) == (1, 0)
    assert (await made(metering.caller.get("/billing/usage/events")))["data"][0]["counts"] is True


async def test_batches_that_meet_count_every_event_once(metering: Metering) -> None:
    await metering.meter("calls", dimensions=["n"])
    events = [
        event(idempotencyKey=f"same-{number}", externalId=f"c{number % 7}", n=number % 3) for number in range(200)
    ]
    answers = await asyncio.gather(*(metering.send(*(events if turn % 2 else events[::-1])) for turn in range(8)))
    assert sum(answer["accepted"] for answer in answers) == 200
    assert sum(answer["duplicates"] for answer in answers) == 1_400
    page = (await made(metering.caller.get("/billing/usage/customers", meter="calls")))["data"]
    assert sum(int(line["quantity"]) for line in page) == 200


async def test_events_stay_as_they_came(metering: Metering, connect: Connect) -> None:
    await metering.send(event(idempotencyKey="a"))
    application = await connect("app")
    admin = await connect("admin")
    row = await (await admin.execute("SELECT tenant_id FROM usage_events")).fetchone()
    assert row
    for statement in (
        "UPDATE usage_events SET quantity = 2",
        "DELETE FROM usage_events",
        "UPDATE usage_keys SET is_metered = false",
        "UPDATE usage_keys SET transaction_id = gen_random_uuid(), event_id = gen_random_uuid()",
        "INSERT INTO usage_events (tenant_id, id, occurred_at, customer_id, idempotency_key, outcome, event_name, "
        "properties, amount_micro) SELECT tenant_id, gen_random_uuid(), occurred_at, customer_id, 'x', 'metered', 'x', "
        "'{}', 5 FROM usage_events",
        "INSERT INTO usage_events (tenant_id, id, occurred_at, customer_id, idempotency_key, outcome, event_name, "
        "properties) SELECT tenant_id, gen_random_uuid(), occurred_at, customer_id, 'x', 'refused', 'x', '{}' "
        "FROM usage_events",
    ):
        await application.execute("SELECT set_config('app.tenant_id', %s, true)", [str(row[0])])
        with pytest.raises(
            (psycopg.errors.IntegrityError, psycopg.errors.InsufficientPrivilege, psycopg.errors.RestrictViolation)
        ):
            await application.execute(statement)
        await application.rollback()


async def test_late_by_a_month_is_on_time_and_later_needs_a_reason(metering: Metering) -> None:
    now = datetime.now(UTC)
    answer = await metering.send(
        event(occurredAt=(now - timedelta(days=34)).isoformat()),
        event(occurredAt=(now - timedelta(days=36)).isoformat()),
    )
    assert codes(answer) == ["accepted", "usage_event_too_old"]
