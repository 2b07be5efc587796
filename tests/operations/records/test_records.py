"""The audit log is whole, sealed and chained; a person is exported and erased, and the books still verify."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import psycopg

from core.foundation.clock import wall_now
from core.foundation.database import Database
from core.foundation.settings import Settings
from core.operations.records import erasing
from core.operations.records.repeating import repeat_erasures
from core.operations.records.sealing import audit_heads, seal_all, verify_all
from tests.support.callers import Caller, invite
from tests.support.furnished import made

Connect = Callable[..., Awaitable[psycopg.AsyncConnection[Any]]]
ADA = {"externalId": "ada", "name": "Ada Lovelace", "email": "ada@example.com"}


async def test_a_change_says_what_was_what_is_and_from_where_in_clear_to_those_who_may(
    tenant: Caller, other: Caller, operator: Caller, connect: Connect
) -> None:
    ada = await made(tenant.post("/billing/customers", ADA))
    await made(tenant.patch(f"/billing/customers/{ada['customerId']}", {"name": "Ada King"}))
    (changed,) = (await made(tenant.get("/billing/audit", action="customer.changed")))["data"]
    assert (changed["before"], changed["after"]) == ({"name": "Ada Lovelace"}, {"name": "Ada King"})
    assert (changed["subject"], changed["details"]) == (ada["customerId"], {"fields": ["name"]})
    assert changed["address"]
    assert changed["requestId"]
    actions = [row["action"] for row in (await made(tenant.get("/billing/audit", action="customer")))["data"]]
    assert actions == ["customer.changed", "customer.created"]
    everything = await made(operator.get("/operations/audit", tenantId=tenant.tenant, action="customer.changed"))
    assert [row["auditId"] for row in everything["data"]] == [changed["auditId"]]
    assert (await made(other.get("/billing/audit", action="customer")))["data"] == []
    reader = await invite(tenant, "read_only")
    assert (await reader.get("/billing/audit")).status_code == 403

    admin = await connect("admin")
    rows = await (await admin.execute("SELECT audit_log::text FROM audit_log")).fetchall()
    assert not any("Ada" in text or "ada@" in text or changed["address"] in text for (text,) in rows)


async def test_a_route_that_records_nothing_itself_leaves_a_row_and_a_replay_none(tenant: Caller) -> None:
    await made(tenant.patch("/billing/settings", {"chargePolicy": "receivable"}))
    (row,) = (await made(tenant.get("/billing/audit", action="change_settings")))["data"]
    assert (row["actorKind"], row["subject"]) == ("user", None)
    await made(tenant.post("/billing/customers", ADA, key="k"))
    before = len((await made(tenant.get("/billing/audit", limit=200)))["data"])
    assert (await made(tenant.post("/billing/customers", ADA, key="k")))["replayed"]
    assert len((await made(tenant.get("/billing/audit", limit=200)))["data"]) == before


async def test_the_chain_finds_a_row_that_was_altered_and_one_that_is_gone(
    tenant: Caller, database: Database, settings: Settings, connect: Connect
) -> None:
    await made(tenant.post("/billing/customers", ADA))
    await made(tenant.patch("/billing/settings", {"chargePolicy": "receivable"}))
    heads = audit_heads(settings)
    later = wall_now().replace(year=2999)
    assert await seal_all(database, heads, now=later) >= 2
    assert await seal_all(database, heads, now=later) == 0
    assert [finding async for finding in verify_all(database, heads)] == []

    admin = await connect("admin")
    await admin.execute("SET session_replication_role = replica")
    await admin.execute("UPDATE audit_log SET reason = 'none' WHERE action = 'customer.created'")
    await admin.execute("DELETE FROM audit_log WHERE action = 'change_settings'")
    await admin.commit()
    said = sorted([finding.detail async for finding in verify_all(database, heads)])
    assert said == ["is gone; block 1 lists it", "was altered after block 1 sealed it"]
    await admin.execute("DELETE FROM audit_blocks")
    await admin.commit()
    assert "was signed and is gone or another one" in [f.detail async for f in verify_all(database, heads)]


async def test_an_end_that_was_cut_off_stays_missed_however_much_is_recorded_later(
    tenant: Caller, other: Caller, database: Database, settings: Settings, connect: Connect
) -> None:
    heads, later = audit_heads(settings), wall_now().replace(year=2999)
    await made(tenant.post("/billing/customers", ADA))
    await seal_all(database, heads, now=later)
    await made(tenant.patch("/billing/settings", {"chargePolicy": "receivable"}))
    await seal_all(database, heads, now=later)
    admin = await connect("admin")
    await admin.execute("SET session_replication_role = replica")
    cut = await (
        await admin.execute("DELETE FROM audit_blocks WHERE number = 2 RETURNING tenant_id, entry_ids")
    ).fetchall()
    ((tenant_id, rows),) = cut
    await admin.execute("DELETE FROM audit_log WHERE id = ANY(%s)", [rows])
    await admin.commit()

    # As often as the worker may seal before the night: no new blocks take the place of the one that is gone.
    await made(other.post("/billing/customers", ADA))
    for number in range(3):
        await made(tenant.post("/billing/customers", {**ADA, "externalId": f"ada-{number}"}))
        sealed = await seal_all(database, heads, now=later)
        assert (sealed > 0) is (number == 0)  # another tenant's are sealed
    found = [(f.tenant_id, f.row, f.detail) async for f in verify_all(database, heads)]
    assert found == [(tenant_id, "block 2", "was signed and is gone or another one")]


async def test_an_erased_customer_is_nobody_and_the_chain_holds(
    tenant: Caller, database: Database, settings: Settings, connect: Connect
) -> None:
    ada = await made(tenant.post("/billing/customers", {**ADA, "phone": "+4930123456"}, key="k"))
    path = f"/billing/customers/{ada['customerId']}"
    exported = await made(tenant.get(f"{path}/export"))
    assert exported["tables"]["customers"]["rows"][0]["email"] == "ada@example.com"
    assert exported["audit"][0]["change"]["after"]["name"] == "Ada Lovelace"
    await seal_all(database, audit_heads(settings), now=wall_now().replace(year=2999))

    erased = await made(tenant.post(f"{path}/erasure"))
    assert [kept["what"] for kept in erased["keeps"]] == ["ledger"]
    assert erased["completedAt"] is not None
    assert await made(tenant.post(f"{path}/erasure")) == erased
    now = await made(tenant.get(path))
    assert (now["name"], now["email"], now["phone"]) == (None, None, None)
    assert now["externalId"] == f"erased-{ada['customerId']}"
    (created,) = (await made(tenant.get("/billing/audit", action="customer.created")))["data"]
    assert (created["before"], created["after"]) == (None, None)
    again = await made(tenant.post("/billing/customers", ADA, key="k"))
    assert again["customerId"] != ada["customerId"]
    assert [finding async for finding in verify_all(database, audit_heads(settings))] == []
    refused = await tenant.post(
        "/billing/customers/" + (await made(tenant.get("/billing/customers/self")))["customerId"] + "/erasure"
    )
    assert (refused.status_code, refused.json()["code"]) == (409, "self_not_erased")

    # A copy from before knows nothing of it: neither the erasure nor the tombstone, but the file beside the heads.
    tenant_id = str(
        (await (await (await connect("admin")).execute("SELECT tenant_id FROM erasures")).fetchone() or [""])[0]
    )
    erasing.note(settings, tenant_id=tenant_id, subject_kind="customer", subject_id=ada["customerId"])
    admin = await connect("admin")
    await admin.execute("SET session_replication_role = replica")
    await admin.execute("DELETE FROM erasures")
    await admin.execute(
        "UPDATE customers SET name = 'Ada', email = 'ada@example.com' WHERE id = %s", [UUID(ada["customerId"])]
    )
    await admin.commit()
    assert await repeat_erasures(database, settings, now=wall_now()) == 1
    assert await repeat_erasures(database, settings, now=wall_now()) == 1
    assert (await made(tenant.get(path)))["name"] is None


async def test_nothing_new_is_billed_or_given_to_an_erased_customer_nor_is_it_named_again(
    tenant: Caller, connect: Connect
) -> None:
    customer = (await made(tenant.post("/billing/customers", ADA)))["customerId"]
    grant = {"customerId": customer, "amount": "5"}
    await made(tenant.post("/billing/credits/grants", grant))
    call = {"customerId": customer, "model": "gpt-4o", "inputTokens": 0, "outputTokens": 100, "idempotencyKey": "call"}
    charged = await made(tenant.post("/api/usage/reconcile", call))
    hold = {"customerId": customer, "amount": "1", "idempotencyKey": "hold"}
    kept = await made(tenant.post("/api/usage/holds", hold))
    event = {"idempotencyKey": "event", "eventName": "call", "customerId": customer}
    await made(tenant.post("/billing/usage/events", {"events": [event]}))
    await made(tenant.post(f"/billing/customers/{customer}/erasure"))

    named = {**call, "customerId": None, "userId": f"erased-{customer}"}
    lines = {"customerId": customer, "lines": [{"description": "Hours", "amountMinor": 100}]}
    subscription = {"planId": "starter", "customerId": customer}
    doors: list[tuple[str, str, dict[str, Any]]] = [
        ("POST", "/billing/subscriptions", subscription),
        ("POST", "/billing/subscriptions/preview", subscription),
        ("POST", "/billing/invoices", lines),
        ("POST", "/billing/invoices", {**lines, "finalize": True}),
        ("POST", "/billing/invoices/items", lines),
        ("POST", "/billing/credits/grants", grant),
        ("POST", "/billing/credits/grants", {**grant, "customerId": f"erased-{customer}"}),
        ("POST", "/api/purchases", {"packageCode": "starter", "customerId": customer}),
        ("POST", "/billing/payment-methods/setups", {"customerId": customer}),
        ("PUT", f"/billing/wallets/{customer}/watch", {"alertBelow": "1"}),
        ("PATCH", f"/billing/customers/{customer}", {"name": "Ada"}),
        ("PATCH", f"/billing/customers/{customer}", {"email": "ada@example.com"}),
        ("POST", "/api/usage/holds", {**hold, "idempotencyKey": "hold-2"}),
        ("POST", "/api/usage/reconcile", {**call, "idempotencyKey": "call-2"}),
        ("POST", "/api/usage/reconcile", {**named, "idempotencyKey": "call-3"}),
    ]
    for method, path, body in doors:
        refused = await tenant.request(method, path, json=body)
        said = refused.json()
        assert (refused.status_code, said["code"], said["customerId"]) == (409, "customer_erased", customer), path

    admin = await connect("admin")
    for table in ("subscriptions", "invoices", "invoice_items", "purchases", "payment_setups", "wallet_watches"):
        found = await admin.execute(f"SELECT count(*) FROM {table} WHERE customer_id = %s", [UUID(customer)])
        assert await found.fetchone() == (0,), table
    batch = {"events": [event, {**event, "idempotencyKey": "event-2"}]}
    results = (await made(tenant.post("/billing/usage/events", batch)))["data"]
    assert [one["status"] for one in results] == ["duplicate", "refused"]
    assert results[1]["code"] == "customer_erased"
    # What was said before holds: the same call again is its first answer, and what was kept back is settled.
    again = await made(tenant.post("/api/usage/reconcile", call))
    assert (again["replayed"], again["transactionId"]) == (True, charged["transactionId"])
    settled = {**call, "holdId": kept["holdId"], "idempotencyKey": "settled"}
    await made(tenant.post("/api/usage/reconcile", settled))
    assert (await made(tenant.get(f"/billing/wallets/{customer}")))["balance"] == "4.998"
    assert (await made(tenant.get(f"/billing/customers/{customer}")))["name"] is None
    # Who comes back is somebody new.
    assert (await made(tenant.post("/billing/customers", ADA)))["customerId"] != customer


async def test_what_is_being_given_waits_for_an_erasure_under_way(tenant: Caller, connect: Connect) -> None:
    customer = (await made(tenant.post("/billing/customers", ADA)))["customerId"]
    erasing_it = await connect("admin")  # as an erasure begins: its customer locked, its tombstone not yet to be seen
    await erasing_it.execute("SELECT FROM customers WHERE id = %s FOR UPDATE", [UUID(customer)])
    await erasing_it.execute(
        "INSERT INTO erasures (tenant_id, id, subject_kind, subject_id, requested_by, erased_at, keeps) "
        "SELECT tenant_id, gen_random_uuid(), 'customer', id, id, now(), '[]' FROM customers WHERE id = %s",
        [UUID(customer)],
    )
    granting = asyncio.create_task(
        tenant.post("/billing/credits/grants", {"customerId": customer, "amount": "5"}, key="meanwhile")
    )
    watching = await connect("admin")
    await watching.set_autocommit(True)
    while await (await watching.execute("SELECT FROM pg_locks WHERE NOT granted")).fetchone() is None:
        assert not granting.done(), (await granting).text
        await asyncio.sleep(0.02)
    await erasing_it.commit()
    assert (await granting).json()["code"] == "customer_erased"
    assert (await made(tenant.get(f"/billing/wallets/{customer}")))["balance"] == "0"


async def test_an_erased_user_signs_in_no_more_and_the_last_owner_stays(tenant: Caller, operator: Caller) -> None:
    member = await invite(tenant, "finance")
    gone = await made(operator.post(f"/operations/users/{member.user_id}/erasure"))
    assert gone["subjectKind"] == "user"
    assert await made(operator.post(f"/operations/users/{member.user_id}/erasure")) == gone
    shown = [row for row in (await made(tenant.get("/auth/members")))["data"] if row["userId"] == member.user_id]
    assert [(row["email"], row["name"]) for row in shown] == [(f"erased-{member.user_id}@erased.invalid", None)]
    refused = await operator.post(f"/operations/users/{tenant.user_id}/erasure")
    assert (refused.status_code, refused.json()["code"]) == (409, "last_owner")


async def test_what_anyone_sets_or_decides_says_what_was_and_what_is(tenant: Caller, connect: Connect) -> None:
    async def last(action: str) -> tuple[Any, Any]:
        row = (await made(tenant.get("/billing/audit", action=action, limit=1)))["data"][0]
        return row["before"], row["after"]

    await made(tenant.put("/billing/settings/dunning", {"retryDays": [3], "finalDays": 9}))
    await made(tenant.put("/billing/settings/dunning", {"retryDays": [3, 5], "finalDays": 9}))
    assert await last("dunning.changed") == ({"dunning_terms.retry_days": [3]}, {"dunning_terms.retry_days": [3, 5]})
    await made(tenant.patch("/billing/settings", {"chargePolicy": "receivable"}))
    assert await last("change_settings") == (
        {"tenants.charge_policy": "refuse"}, {"tenants.charge_policy": "receivable"},
    )  # fmt: skip
    member = await invite(tenant, "finance")
    assert (await tenant.patch(f"/auth/members/{member.user_id}", {"role": "developer"})).is_success
    assert await last("member") == ({"memberships.role": "finance"}, {"memberships.role": "developer"})
    key = await made(tenant.post("/auth/api-keys", {"name": "k", "scopes": ["usage:write"]}))
    _, after = await last("api_key")
    assert (after["api_keys.name"], "api_keys.key_hash" in after) == ("k", False)
    assert (await tenant.delete(f"/auth/api-keys/{key['apiKeyId']}")).is_success
    before, after = await last("api_key")
    assert (before, list(after)) == (None, ["api_keys.revoked_at"])
    subscription = await made(tenant.post("/billing/subscriptions", {"planId": "starter", "tenantId": tenant.tenant}))
    await made(tenant.post(f"/billing/subscriptions/{subscription['subscriptionId']}/cancel", {"when": "now"}))
    before, after = await last("subscription")
    assert after["subscriptions.state"] == "canceled"
    assert before["subscriptions.state"] in ("incomplete", "active")
    refused = await tenant.put("/billing/settings/dunning", {"retryDays": [9], "finalDays": 9})
    assert refused.status_code == 422
    assert await last("dunning.changed") == ({"dunning_terms.retry_days": [3]}, {"dunning_terms.retry_days": [3, 5]})
