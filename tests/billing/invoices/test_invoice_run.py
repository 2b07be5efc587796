"""The run: what is due becomes drafts, drafts become final after their grace, numbered without gaps."""

from tests.billing.invoices.conftest import Shop, flat, metered
from tests.support.furnished import made


async def test_items_become_a_draft_and_after_its_grace_an_invoice(shop: Shop) -> None:
    ada = await shop.customer()
    await shop.items(ada, 10_000, 333)
    drained = await shop.move("2026-01-31T10:30:00Z")
    assert drained["customersBilled"] == 1
    (draft,) = await shop.invoices()
    assert (draft["status"], draft["number"], draft["finalizeAt"]) == ("draft", None, "2026-01-31T11:00:00Z")
    await shop.move("2026-01-31T12:00:00Z")
    (invoice,) = await shop.invoices()
    assert (invoice["status"], invoice["number"]) == ("open", "INV-00001")
    # 19 % of 103.33 is 19.6327.
    assert (invoice["subtotalMinor"], invoice["taxMinor"], invoice["totalMinor"]) == (10_333, 1_963, 12_296)
    assert (invoice["openMinor"], invoice["dueAt"]) == (12_296, "2026-02-14T11:00:00Z")
    lines = await shop.lines(invoice)
    assert [(line["amountMinor"], line["taxMinor"], line["taxRate"]) for line in lines] == [
        (10_000, 1_900, "19"),
        (333, 63, "19"),
    ]
    assert [document["invoiceId"] for document in await shop.told("invoice.finalized")] == [invoice["invoiceId"]]


async def test_a_subscription_is_billed_ahead_and_its_usage_afterwards(shop: Shop) -> None:
    ada = await shop.customer()
    await made(
        shop.caller.post(
            "/billing/meters", {"code": "calls", "name": "Calls", "aggregation": "count", "eventName": "calls"}
        )
    )
    await shop.plan(flat("29"), metered("0.10"))
    await shop.subscribe(ada)
    await shop.move("2026-02-01T00:00:00Z")
    events = [{"idempotencyKey": f"e{n}", "eventName": "calls", "customerId": ada} for n in range(25)]
    await made(shop.caller.post("/billing/usage/events", {"events": events}))
    await shop.move("2026-03-02T00:00:00Z")
    first, second = await shop.invoices()
    assert (first["number"], first["subtotalMinor"], first["taxMinor"]) == ("INV-00001", 2_900, 551)
    assert [(line["kind"], line["amountMinor"]) for line in await shop.lines(second)] == [
        ("usage", 250),
        ("recurring", 2_900),
    ]
    assert (second["number"], second["totalMinor"]) == ("INV-00002", 3_749)
    again = await made(shop.caller.get(f"/billing/invoices/{second['invoiceId']}/recomputation"))
    assert again == {"invoiceId": second["invoiceId"], "number": "INV-00002", "drifted": False, "drifts": []}


async def test_numbers_are_gapless_whatever_becomes_of_drafts(shop: Shop) -> None:
    for name in ("Ada", "Bob", "Cid", "Dan"):
        await shop.items(await shop.customer(name), 1_000)
    await shop.move("2026-01-31T10:00:01Z")
    drafts = await shop.invoices()
    assert len(drafts) == 4
    await made(shop.caller.post(f"/billing/invoices/{drafts[1]['invoiceId']}/void"))
    await shop.move("2026-01-31T12:00:00Z")
    invoices = await shop.invoices()
    assert sorted(one["number"] for one in invoices if one["number"]) == ["INV-00001", "INV-00002", "INV-00003"]
    assert [one["status"] for one in invoices].count("void") == 1
    assert await shop.told("invoice.voided") != []


async def test_one_customers_failure_parks_that_customer_only_and_is_replayed(shop: Shop) -> None:
    ada, bob = await shop.customer("Ada"), await shop.customer("Bob")
    await shop.items(ada, 1_000)
    # No rate of that name is known.
    line = {"description": "Odd", "amountMinor": 500, "taxCode": "no-such-rate"}
    await made(shop.caller.post("/billing/invoices/items", {"customerId": bob, "lines": [line]}))
    await shop.move("2026-01-31T12:00:00Z")
    (invoice,) = await shop.invoices()
    assert (invoice["customerId"], invoice["number"]) == (ada, "INV-00001")
    parked = (await made(shop.caller.get("/billing/parked-customers")))["data"]
    assert [(one["customerId"], one["code"]) for one in parked] == [(bob, "tax_rate_missing")]
    rate = {"country": "DE", "code": "no-such-rate", "name": "Odd", "percent": "7", "effectiveFrom": "2020-01-01"}
    await made(shop.caller.post("/billing/tax-rates", rate))
    await made(shop.caller.post(f"/billing/parked-customers/{bob}/replay", {}))
    await shop.move("2026-01-31T14:00:00Z")
    second = (await shop.invoices())[1]
    assert (second["customerId"], second["number"], second["totalMinor"]) == (bob, "INV-00002", 535)
    assert (await shop.caller.post(f"/billing/parked-customers/{bob}/replay", {})).status_code == 404


async def test_a_run_that_bills_far_more_than_ever_stops_until_somebody_lets_it(shop: Shop) -> None:
    ada = await shop.customer()
    await shop.rules(timesHistory=3, freeBelowMinor=10_000)
    await shop.items(ada, 5_000)
    await shop.move("2026-01-31T12:00:00Z")
    await shop.items(ada, 50_000)
    await shop.move("2026-01-31T14:00:00Z")
    assert len(await shop.invoices()) == 1
    (parked,) = (await made(shop.caller.get("/billing/parked-customers")))["data"]
    assert (parked["code"], "5950" in parked["detail"]) == ("times_history", True)
    await made(shop.caller.post(f"/billing/parked-customers/{ada}/replay", {"allow": True}))
    await shop.move("2026-01-31T16:00:00Z")
    assert [one["totalMinor"] for one in await shop.invoices()] == [5_950, 59_500]


async def test_what_is_due_together_is_one_invoice_a_customer_where_the_tenant_wants_that(shop: Shop) -> None:
    ada = await shop.customer()
    await shop.rules(oneInvoicePer="customer")
    await shop.plan(flat("10"), code="one")
    await shop.plan(flat("20"), code="two")
    await shop.subscribe(ada, "one")
    await shop.subscribe(ada, "two")
    await shop.move("2026-01-31T12:00:00Z")
    (invoice,) = await shop.invoices()
    assert (invoice["lineCount"], invoice["subtotalMinor"], invoice["subscriptionId"]) == (2, 3_000, None)
