"""What was told of a person through the doors is all in the export, and after an erasure stands nowhere in clear."""

import json
from collections.abc import Awaitable, Callable, Collection
from typing import Any

import psycopg
from psycopg import sql

from core.foundation.clock import wall_now
from core.operations.records.sealing import audit_heads, seal_all, verify_all
from tests.billing.payments.conftest import own_stripe as own_stripe  # the fixtures
from tests.billing.payments.conftest import paid as paid
from tests.billing.payments.conftest import settings as settings
from tests.billing.payments.conftest import shop as shop
from tests.billing.payments.paid import Paid
from tests.support.callers import Caller, invite
from tests.support.furnished import made

Connect = Callable[..., Awaitable[psycopg.AsyncConnection[Any]]]
CANARIES = ("zorinda", "quibblewick", "+49157000111", "flottbeker", "de136695976", "canary-9917")
PERSON = {
    "externalId": "canary-9917",
    "name": "Zorinda Quibblewick",
    "email": "zorinda@quibblewick.example",
    "phone": "+49157000111222",
    "address": {"line1": "Flottbeker Weg 7", "city": "Hamburg", "postalCode": "22607", "country": "DE"},
    "taxId": "DE136695976",
}
_TABLES = """
SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
  AND NOT relispartition ORDER BY relname
"""


async def found_in(admin: psycopg.AsyncConnection[Any], canaries: Collection[str]) -> set[str]:
    """Tables of which some row holds one of these in clear, in text or in bytes."""
    found: set[str] = set()
    for (table,) in await (await admin.execute(_TABLES)).fetchall():
        statement = sql.SQL("SELECT lower(to_jsonb(t)::text) FROM {} t").format(sql.Identifier(table))
        async with admin.cursor() as cursor:
            await cursor.execute(statement)
            async for (row,) in cursor:
                if any(canary in row or canary.encode().hex() in row for canary in canaries):
                    found.add(table)
                    break
    return found


async def told_everywhere(paid: Paid) -> tuple[str, dict[str, Any]]:
    """A customer of whom every door was told something; its id and its last invoice."""
    tenant, url = paid.tenant, "https://shop.example/thanks?who=zorinda@quibblewick.example"
    customer = (await made(tenant.post("/billing/customers", PERSON, key="canary")))["customerId"]
    await made(tenant.patch(f"/billing/customers/{customer}", {"name": "Zorinda B. Quibblewick"}))
    await paid.save_card(customerId=customer, successUrl=url, cancelUrl=url)
    await made(
        tenant.post("/billing/credits/grants", {"amount": "3", "customerId": customer, "label": "for Zorinda"}, key="g")
    )
    bought = await paid.buy(customerId=customer, successUrl=url, cancelUrl=url)
    paid.pay(bought)
    await paid.deliver()
    refund = {"amountMinor": 100, "reason": "Zorinda asked for it"}
    await made(tenant.post(f"/api/purchases/{bought['purchaseId']}/refunds", refund, key="r"))
    subscription = (
        await made(tenant.post("/billing/subscriptions", {"planId": "plan", "customerId": customer}, key="s"))
    )["subscriptionId"]
    await made(tenant.post(f"/billing/subscriptions/{subscription}/cancel", {"when": "now"}))
    await paid.move("2026-02-02T00:00:00Z")
    lines = {"lines": [{"description": "Work", "amountMinor": 900}], "finalize": True, "customerId": customer}
    invoice = await made(tenant.post("/billing/invoices", lines, key="i"))
    by_hand = {"amountMinor": 900, "reference": "Zorinda Quibblewick INV"}
    await made(tenant.post(f"/billing/invoices/{invoice['invoiceId']}/payments", by_hand, key="p"))
    await paid.move("2026-03-20T00:00:00Z")
    await paid.deliver()
    return customer, invoice


async def test_a_person_is_exported_whole_and_after_the_erasure_stands_nowhere(paid: Paid, connect: Connect) -> None:
    customer, invoice = await told_everywhere(paid)
    admin = await connect("admin")
    before = await found_in(admin, CANARIES)
    assert {"customers", "payments", "purchases", "payment_setups", "credit_lots", "refunds"} <= before
    exported = await made(paid.tenant.get(f"/billing/customers/{customer}/export"))
    shown = {
        table
        for table, part in exported["tables"].items()
        if any(canary in json.dumps(part["rows"]).lower() for canary in CANARIES)
    }
    assert {"provider_events", "idempotency_keys"} <= before
    assert before - shown == set()
    naming = await found_in(admin, [customer])
    assert naming - set(exported["tables"]) == {"audit_log", "subject_keys"}
    assert {"audit_log", "subject_keys", "client_secret"} <= {left["what"] for left in exported["leftOut"]}
    assert "_secret_" not in json.dumps(exported)
    told = await (await admin.execute("SELECT provider_id, payload::text FROM provider_events")).fetchall()
    assert any("_secret_" in payload for _, payload in told)
    theirs = {row["provider_id"] for row in exported["tables"]["provider_events"]["rows"]}
    assert {name for name, payload in told if any(canary in payload.lower() for canary in CANARIES)} <= theirs
    (inputs,) = [
        row for row in exported["tables"]["invoice_inputs"]["rows"] if row["invoice_id"] == invoice["invoiceId"]
    ]
    assert "Quibblewick" in json.dumps(inputs["parties"])
    assert {"invoice_lines", "ledger_entries", "payment_attempts", "subscription_changes"} & set(exported["tables"])

    erased = await made(paid.tenant.post(f"/billing/customers/{customer}/erasure"))
    assert {"ledger", "invoices", "payments"} <= {kept["what"] for kept in erased["keeps"]}
    await paid.work()
    assert await found_in(admin, CANARIES) == set()
    # What the provider says of them afterwards is applied, and not kept.
    (removed,) = paid.events("payment_method.detached")
    removed["data"]["object"]["billing_details"] = {"name": PERSON["name"], "email": PERSON["email"]}
    await paid.tell([removed])
    (stored,) = await (
        await admin.execute(
            "SELECT state, payload->'removed' FROM provider_events WHERE provider_id = %s", [removed["id"]]
        )
    ).fetchall()
    assert stored == ("ignored", True)
    assert await found_in(admin, CANARIES) == set()
    methods = await (await admin.execute("SELECT state, last4, brand FROM payment_methods")).fetchall()
    assert methods == [("detached", "0000", "erased")]
    gone = paid.client.v1.payment_methods.list({"limit": 100}).data
    assert [method.customer for method in gone if method.customer is not None] == []

    # Books, invoices and the chain say what they said.
    computed = await made(paid.tenant.get(f"/billing/invoices/{invoice['invoiceId']}/recomputation"))
    assert computed["drifts"] == []
    heads = audit_heads(paid.runtime.settings)
    await seal_all(paid.runtime.database, heads, now=wall_now().replace(year=2999))
    assert [finding async for finding in verify_all(paid.runtime.database, heads)] == []


async def test_what_the_provider_said_waits_for_a_person_without_naming_the_erased_and_is_still_applied_then(
    paid: Paid, operator: Caller, connect: Connect
) -> None:
    customer, _ = await told_everywhere(paid)
    admin = await connect("admin")
    about = {"customer_name": PERSON["name"], "customer_email_address": PERSON["email"]}
    bought = next(event for event in paid.events("payment_intent.succeeded"))
    intent = bought["data"]["object"]["id"]

    def wrong(event_id: str) -> dict[str, Any]:
        told = json.loads(json.dumps(bought)) | {"id": event_id}
        told["data"]["object"] |= {"amount_received": "soon", "receipt_email": PERSON["email"]}
        return told

    def disputed(event_id: str) -> dict[str, Any]:
        # A bank's words carry no id of ours: only the payment tells whose it is.
        dispute = {"id": f"dp_{event_id}", "object": "dispute", "amount": 100, "currency": "usd", "charge": "ch_1"}
        dispute |= {"payment_intent": intent, "status": "warning_needs_response", "reason": "general"}
        dispute |= {"created": bought["created"], "evidence": about, "metadata": {}}
        return {**bought, "id": event_id, "type": "charge.dispute.created", "data": {"object": dispute}}

    async def stored() -> dict[str, tuple[str, Any]]:
        rows = await admin.execute(
            "SELECT provider_id, state, payload FROM provider_events WHERE provider_id LIKE 'evt_canary%'"
        )
        return {name: (state, payload) for name, state, payload in await rows.fetchall()}

    await paid.tell([wrong("evt_canary_parked"), disputed("evt_canary_dispute")])
    assert (await stored())["evt_canary_parked"][0] == "parked"
    await made(paid.tenant.post(f"/billing/customers/{customer}/erasure"))
    await paid.tell([wrong("evt_canary_parked_later"), disputed("evt_canary_dispute_later")])
    assert await found_in(admin, CANARIES) == set()
    kept = await stored()
    assert {name for name, (_, payload) in kept.items() if payload.get("removed")} == {
        "evt_canary_dispute",
        "evt_canary_dispute_later",
    }
    for name in ("evt_canary_parked", "evt_canary_parked_later"):
        state, payload = kept[name]
        assert (state, payload["data"]["object"]["receipt_email"]) == ("parked", "erased")
        assert payload["data"]["object"]["metadata"] == bought["data"]["object"]["metadata"]

    # Somebody has mended it: what is left is enough to apply it.
    listed = (await made(operator.get("/payment/webhook-events")))["data"]
    ids = {row["providerEventId"]: row["eventId"] for row in listed}
    await admin.execute(
        "UPDATE provider_events SET payload = jsonb_set(payload, '{data,object,amount_received}', %s) "
        "WHERE provider_id = 'evt_canary_parked'",
        [str(bought["data"]["object"]["amount_received"])],
    )
    await admin.commit()
    await made(operator.post(f"/payment/webhook-events/{ids['evt_canary_parked']}/replay"))
    await paid.work()
    assert (await stored())["evt_canary_parked"][0] in ("applied", "ignored")
    refused = await operator.post(f"/payment/webhook-events/{ids['evt_canary_dispute']}/replay")
    assert (refused.status_code, refused.json()["code"]) == (409, "webhook_event_not_replayable")
    assert "was removed" in refused.json()["detail"]


async def test_an_erased_user_stands_nowhere(tenant: Caller, operator: Caller, connect: Connect) -> None:
    member = await invite(tenant, "finance", email="zorinda@quibblewick.example")
    await made(tenant.post("/auth/invitations", {"email": "zorinda@quibblewick.example", "role": "developer"}))
    admin = await connect("admin")
    assert {"users", "invitations"} <= await found_in(admin, ["zorinda"])
    await made(operator.post(f"/operations/users/{member.user_id}/erasure"))
    assert await found_in(admin, ["zorinda", "quibblewick"]) == set()


async def test_nobody_is_forgotten_while_bills_go_on(paid: Paid) -> None:
    customer = await paid.customer("ada")
    subscription = await paid.subscribe(customer)
    refused = await paid.tenant.post(f"/billing/customers/{customer}/erasure")
    assert (refused.status_code, refused.json()["code"]) == (409, "customer_still_billed")
    assert refused.json()["subscriptionIds"] == [subscription]
    assert (await made(paid.tenant.get(f"/billing/customers/{customer}")))["name"] == "ada"
    await made(paid.tenant.post(f"/billing/subscriptions/{subscription}/cancel", {"when": "now"}))
    await paid.move("2026-02-02T00:00:00Z")
    await made(paid.tenant.post(f"/billing/customers/{customer}/erasure"))
