"""What is over its time is removed, by the tenant's terms; what rests on the law stays whatever they say."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from core.foundation.clock import wall_now
from core.foundation.database import Database
from core.foundation.jobs import defer
from core.foundation.runtime import Runtime
from core.foundation.settings import Settings, SettingsInvalid
from core.operations.records.retention.removing import remove_over_time
from core.worker.app import run_until_idle
from tests.support.callers import Caller, invite
from tests.support.furnished import made

Connect = Callable[..., Awaitable[psycopg.AsyncConnection[Any]]]
PATH = "/billing/settings/retention"


async def removed(database: Database, settings: Settings, **given: Any) -> dict[str, int]:
    found = [one async for one in remove_over_time(database, settings, wall=wall_now(), **given)]
    return {one.kind: one.records for one in found}


async def test_a_tenant_keeps_a_kind_shorter_within_what_the_product_needs(tenant: Caller, other: Caller) -> None:
    kinds = {row["kind"]: row for row in (await made(tenant.get(PATH)))["kinds"]}
    assert {name: (row["days"], row["isSettable"]) for name, row in kinds.items()} == {
        "messages": (730, True),
        "webhookLog": (90, True),
        "webhookAnswers": (30, True),
        "invitations": (90, True),
        "providerEvents": (90, False),
        "rememberedAnswers": (30, False),
        "signIns": (30, False),
    }
    answer = await made(tenant.put(PATH, {"messages": 365, "invitations": 1}))
    own = {row["kind"]: row["days"] for row in answer["kinds"] if row["isOwn"]}
    assert own == {"messages": 365, "invitations": 1}
    assert {"invoices", "ledger", "usage", "auditLog"} < {row["kind"] for row in answer["untouched"]}
    refused = await tenant.put(PATH, {"messages": 30})
    assert (refused.status_code, "messages" in refused.text) == (422, True)
    assert (await tenant.put(PATH, {"invoices": 1})).status_code == 422
    assert {row["kind"] for row in (await made(tenant.get(PATH)))["kinds"] if row["isOwn"]} == set(own)
    assert [row for row in (await made(other.get(PATH)))["kinds"] if row["isOwn"]] == []
    (changed,) = (await made(tenant.get("/billing/audit", action="retention.changed")))["data"]
    assert (changed["before"], changed["after"]) == ({}, {"messages": 365, "invitations": 1})
    assert (await (await invite(tenant, "finance")).put(PATH, {})).status_code == 403
    assert not any(row["isOwn"] for row in (await made(tenant.put(PATH, {})))["kinds"])


async def test_what_is_over_its_time_goes_and_the_rest_stays_and_a_dry_run_only_says(
    tenant: Caller, other: Caller, runtime: Runtime, settings: Settings, connect: Connect
) -> None:
    await made(tenant.put(PATH, {"invitations": 10}))
    for caller in (tenant, other):
        for email in ("old@else.test", "new@else.test"):
            await made(caller.post("/auth/invitations", {"email": email, "role": "developer"}))
    admin = await connect("admin")
    long_ago = wall_now() - timedelta(days=20)
    await admin.execute("UPDATE invitations SET expires_at = %s WHERE email = 'old@else.test'", [long_ago])
    await admin.execute("SET session_replication_role = replica")
    # Messages, deliveries and what the provider told us, each one over its time and one within it.
    for days, number in ((800, 1), (5, 2)):
        at = wall_now() - timedelta(days=days)
        await admin.execute(_MESSAGE, {"slug": tenant.tenant, "at": at, "number": number})
        await admin.execute(_DELIVERY, {"slug": tenant.tenant, "at": at, "number": number})
        await admin.execute(_ATTEMPT, {"slug": tenant.tenant, "at": at, "number": number})
        await admin.execute(_PROVIDER_EVENT, {"at": at, "number": number})
    await admin.commit()

    expected = {"messages": 1, "webhookLog": 1, "webhookAnswers": 1, "invitations": 1, "providerEvents": 1}
    assert await removed(runtime.database, settings, dry_run=True) == expected
    assert await removed(runtime.database, settings, dry_run=True) == expected
    async with runtime.database.nobody() as session:
        await defer(session, "records:remove_over_time", timestamp=0)
    await run_until_idle(runtime)
    assert await removed(runtime.database, settings) == {}

    async def left(statement: str) -> list[Any]:
        return [row[0] for row in await (await admin.execute(statement)).fetchall()]

    assert await left("SELECT email FROM invitations ORDER BY 1") == [
        "new@else.test", "new@else.test", "old@else.test",
    ]  # fmt: skip
    assert await left("SELECT slot FROM notification_messages WHERE template = 'receipt'") == ["slot 2"]
    assert await left("SELECT answer FROM webhook_attempts") == ["answer 2"]
    assert await left("SELECT payload->>'name' FROM provider_events ORDER BY received_at") == [None, "name 2"]
    rows = (await made(tenant.get("/billing/audit", action="records.removed")))["data"]
    assert {row["details"]["kind"]: row["details"]["records"] for row in rows} == {
        "messages": 1, "webhookLog": 1, "webhookAnswers": 1, "invitations": 1,
    }  # fmt: skip
    assert {row["actorKind"] for row in rows} == {"system"}
    assert (await made(other.get("/billing/audit", action="records.removed")))["data"] == []


async def test_the_function_that_removes_reaches_no_books(tenant: Caller, database: Database) -> None:
    async with database.nobody() as session:
        with pytest.raises(Exception, match="are not removed by time"):
            await session.execute(text("SELECT remove_over_time('invoices', now(), 1)"))


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("retention_messages", "30d", "90d"),
        ("retention_provider_events", "36h", "35d"),
        ("retention_webhook_log", "for ever", "duration"),
    ],
)
def test_a_term_that_the_installation_may_not_have_is_named(
    make_settings: Callable[..., Settings], name: str, value: str, says: str
) -> None:
    with pytest.raises(SettingsInvalid) as refused:
        make_settings(**{name: value})
    assert name.upper() in str(refused.value)
    assert says in str(refused.value)


_OF = "SELECT t.id FROM tenants t WHERE t.slug = %(slug)s"
_ID = "md5(%(number)s::text)::uuid"
_MESSAGE = f"""
INSERT INTO notification_messages (tenant_id, id, event_id, slot, channel, template, language, recipient_kind,
    recipient_id, state, occurred_at, created_at)
VALUES (({_OF}), {_ID}, {_ID}, 'slot ' || %(number)s, 'email', 'receipt', 'en', 'customer', {_ID}, 'sent', %(at)s,
    %(at)s)
"""
_DELIVERY = f"""
INSERT INTO webhook_deliveries (tenant_id, id, endpoint_id, event_id, subject_id, recorded_at, state, created_at,
    closed_at)
VALUES (({_OF}), {_ID}, {_ID}, {_ID}, {_ID}, %(at)s, 'delivered', %(at)s, %(at)s)
"""
_ATTEMPT = f"""
INSERT INTO webhook_attempts (tenant_id, delivery_id, number, attempted_at, milliseconds, status, answer)
VALUES (({_OF}), {_ID}, 1, %(at)s, 1, 200, 'answer ' || %(number)s)
"""
_PROVIDER_EVENT = f"""
INSERT INTO provider_events (id, provider_account_id, provider_id, type, payload, state, provider_created_at,
    received_at, closed_at)
VALUES ({_ID}, 'default', 'evt_' || %(number)s, 'x', jsonb_build_object('name', 'name ' || %(number)s), 'applied',
    %(at)s, %(at)s, %(at)s)
"""
