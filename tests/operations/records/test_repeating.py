"""A copy from before an erasure may hold what still bills the person: once it is repeated nobody is billed or told."""

from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr

from core.foundation.clock import wall_now
from core.foundation.database import Database
from core.operations.records import erasing
from core.operations.records.repeating import repeat_erasures
from tests.billing.payments.conftest import own_stripe as own_stripe  # the fixtures
from tests.billing.payments.conftest import paid as paid
from tests.billing.payments.conftest import settings as settings
from tests.billing.payments.paid import Paid
from tests.billing.payments.shop import VISA
from tests.operations.records.test_canary import found_in
from tests.support.furnished import made
from tests.support.servers import Servers

Connect = Callable[..., Awaitable[psycopg.AsyncConnection[Any]]]
METER = {"code": "calls", "name": "Calls", "aggregation": "count", "eventName": "calls"}


async def before_the_erasure(paid: Paid) -> str:
    """A customer of whom much is still to be billed, as a copy from before knows it; its id."""
    tenant = paid.tenant
    await made(tenant.post("/billing/meters", METER))
    calls = {"code": "calls", "name": "Calls", "kind": "usage", "meter": "calls"}
    calls |= {"price": {"model": "per_unit", "unitPrice": "1"}}
    plan = {"code": "metered", "name": "Metered", "prices": [{"currency": "USD", "components": [calls]}]}
    await made(tenant.post("/billing/plans", plan))
    customer = await paid.customer("ada")
    await paid.subscribe(customer)
    await paid.subscribe(customer, planId="metered")
    paused = await paid.subscribe(customer)
    ending = await paid.subscribe(customer)
    await paid.move("2026-02-01T10:00:00Z")
    await paid.work()
    await made(tenant.post(f"/billing/subscriptions/{paused}/pause", {"resumeAt": "2026-04-01T00:00:00Z"}))
    await made(tenant.post(f"/billing/subscriptions/{ending}/cancel", {"when": "period_end"}))
    waits = {"customerId": customer, "lines": [{"description": "Work", "amountMinor": 900}]}
    await made(tenant.post("/billing/invoices", waits))
    await made(tenant.post("/billing/invoices/items", waits))
    top_up = {"packageCode": "starter", "below": "1000", "monthlyLimitMinor": 100_000}
    watch = {"alertBelow": "5", "topUp": top_up}
    assert (await tenant.put(f"/billing/wallets/{customer}/watch", watch)).is_success
    events = [
        {"eventId": f"e{number}", "customerId": customer, "name": "calls", "occurredAt": "2026-02-01T09:59:00Z"}
        for number in range(3)
    ]
    await tenant.post("/billing/usage/events", {"events": events})
    return customer


async def sent(paid: Paid, customer: str) -> list[str]:
    """Messages that the person got."""
    told = (await made(paid.tenant.get("/notification/messages", customerId=customer)))["data"]
    return [message["messageId"] for message in told if message["state"] == "sent"]


@pytest.mark.parametrize("role", ["app", "mover"])
@pytest.mark.parametrize("months_lost", [0, 2])
async def test_a_copy_from_before_bills_and_tells_an_erased_person_no_more(
    paid: Paid, connect: Connect, servers: Servers, role: str, months_lost: int
) -> None:
    customer = await before_the_erasure(paid)
    started = await made(paid.tenant.post("/billing/payment-methods/setups", {"customerId": customer}))
    settings, tenant_id = paid.runtime.settings, str(paid.tenant_id)
    erasing.note(settings, tenant_id=tenant_id, subject_kind="customer", subject_id=customer)
    admin = await connect("admin")
    await admin.execute("UPDATE tenant_clocks SET now_at = now_at + %s * interval '1 month'", [months_lost])
    await admin.commit()
    invoices = {one["invoiceId"]: one for one in await paid.invoices()}
    charged = paid.intents()
    said = await paid.told()
    messages = await sent(paid, customer)
    assert messages
    database = paid.runtime.database
    if role == "mover":
        login = SecretStr(servers.url("mover", str(admin.info.dbname)))
        database = Database(settings.model_copy(update={"database_app_url": login, "database_operator_url": login}))
    for _ in range(2):
        assert await repeat_erasures(database, settings, now=wall_now(), definer=paid.runtime.database) == 1

    # The page for a card, opened before, is finished after.
    paid.stripe.control(f"checkout/{started['pageUrl'].rpartition('/')[2]}", card=VISA)
    await paid.deliver()
    await paid.work()
    await paid.move("2026-07-20T00:00:00Z")
    await paid.deliver()

    states = await (await admin.execute("SELECT DISTINCT state, cancel_reason FROM subscriptions")).fetchall()
    assert states == [("canceled", "erased")]
    waiting = await (await admin.execute("SELECT count(*) FROM invoice_items WHERE invoice_id IS NULL")).fetchone()
    assert waiting == (0,)
    for one in await paid.invoices():
        known = invoices.get(one["invoiceId"])
        if known is None or known["status"] == "draft":
            assert (one["status"], one["number"], one["lineCount"], one["totalMinor"]) == ("void", None, 0, 0)
        else:
            assert one == known
    assert paid.intents() == charged
    assert [kind for kind, _ in await paid.told() if kind.startswith("subscription.")] == [
        kind for kind, _ in said if kind.startswith("subscription.")
    ]
    methods = await (await admin.execute("SELECT DISTINCT state, last4 FROM payment_methods")).fetchall()
    assert methods == [("detached", "0000")]
    assert await found_in(admin, ["ada@customer.test"]) == set()
    assert (await made(paid.tenant.get(f"/billing/wallets/{customer}/watch")))["topUp"] is None
    assert await sent(paid, customer) == messages
