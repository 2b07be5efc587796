"""Usage that comes in, or is amended, after its invoice is final: corrected once, with a trail, figures by hand."""

from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
import pytest

from core.billing.invoices.recomputing.recompute import Recomputed, recompute_all
from tests.billing.invoices.altering import altered
from tests.billing.invoices.conftest import Shop, flat, metered
from tests.support.furnished import made
from tests.support.servers import Role

Connection = psycopg.AsyncConnection[Any]

CALLS = {"code": "calls", "name": "Calls", "aggregation": "count", "eventName": "calls"}


class Usage:
    """Ada's calls at 0.10 each, ahead 29.00 a month, billed on the 31st (28th) at 10:00."""

    def __init__(self, shop: Shop, ada: str, subscription: str) -> None:
        self.shop, self.ada, self.subscription = shop, ada, subscription
        self._sent = 0

    async def use(self, times: int, at: str) -> list[str]:
        """So many calls; the ids of the events."""
        found: list[str] = []
        for begin in range(0, times, 1000):
            events: list[dict[str, Any]] = []
            for _ in range(begin, min(times, begin + 1000)):
                self._sent += 1
                key = f"call-{self._sent}"
                events.append({"idempotencyKey": key, "eventName": "calls", "customerId": self.ada, "occurredAt": at})
            answer = await made(self.shop.caller.post("/billing/usage/events", {"events": events}))
            assert answer["accepted"] == len(events), answer
            found += [row["usageEventId"] for row in answer["data"]]
        return found

    async def void(self, *events: str) -> None:
        """They were none."""
        for event in events:
            body = {"kind": "void", "reason": "sent by mistake"}
            await made(self.shop.caller.post(f"/billing/usage/events/{event}/amendments", body))

    async def trail(self, invoice: dict[str, Any]) -> list[dict[str, Any]]:
        """What was corrected of an invoice."""
        return (await made(self.shop.caller.get(f"/billing/invoices/{invoice['invoiceId']}/corrections")))["data"]

    async def recomputed(self) -> tuple[int, list[str]]:
        """How many invoices were computed again, and what differs."""
        result = Recomputed()
        found = [str(drift) async for drift in recompute_all(self.shop.runtime.database, result=result)]
        return result.recomputed, found


async def begin(shop: Shop, **terms: Any) -> Usage:
    """Subscribed at 2026-01-31 10:00 UTC."""
    ada = await shop.customer()
    await made(shop.caller.post("/billing/meters", CALLS))
    await shop.plan(flat("29"), metered("0.10"), **terms)
    return Usage(shop, ada, await shop.subscribe(ada))


@pytest.fixture
async def usage(shop: Shop) -> Usage:
    """February with 25 calls, billed on 28 February at 10:00 and final at 11:00."""
    usage = await begin(shop)
    await shop.move("2026-02-10T00:00:00Z")
    await usage.use(25, "2026-02-09T12:00:00Z")
    await shop.move("2026-02-28T11:30:00Z")
    return usage


def lines_of(lines: list[dict[str, Any]]) -> list[tuple[str, str, int]]:
    return [(line["kind"], line["code"], line["amountMinor"]) for line in lines]


async def test_usage_an_hour_after_finalization_is_a_correction_on_the_next_invoice(usage: Usage) -> None:
    shop = usage.shop
    _, february = await shop.invoices()
    # 25 calls at 0.10 and 29.00 ahead: 31.50, and 19 % of it 5.985, which is 5.99.
    assert (february["number"], february["status"], february["totalMinor"]) == ("INV-00002", "open", 3_749)
    await shop.move("2026-02-28T12:00:00Z")
    await usage.use(7, "2026-02-20T08:00:00Z")
    assert await usage.trail(february) == []
    drained = await shop.move("2026-02-28T13:00:00Z")
    assert drained["lateUsageCorrected"] == 1
    (entry,) = await usage.trail(february)
    assert (entry["code"], entry["amountMinor"], entry["correctedOn"]) == ("calls", 70, None)
    assert (entry["before"]["quantity"], entry["after"]["quantity"]) == ("25", "32")
    assert (entry["before"]["events"], entry["after"]["events"]) == (25, 32)
    assert entry["billAt"] == "2026-03-31T10:00:00Z"
    await shop.move("2026-03-31T12:00:00Z")
    march = (await shop.invoices())[2]
    lines = await shop.lines(march)
    assert sorted(lines_of(lines)) == [
        ("correction", "calls", 70),
        ("recurring", "base", 2_900),
        ("usage", "calls", 0),
    ]
    corrected = next(line for line in lines if line["kind"] == "correction")
    assert corrected["description"] == "Calls (correction of INV-00002)"
    assert (corrected["periodStart"], corrected["periodEnd"]) == ("2026-01-31T10:00:00Z", "2026-02-28T10:00:00Z")
    assert [row["amount"] for row in corrected["arithmetic"]["rows"]] == ["3.2", "-2.5"]
    # 29.70 and 19 % of it, 5.643.
    assert march["totalMinor"] == 2_970 + 564
    assert (await usage.trail(february))[0]["correctedOn"] == march["invoiceId"]
    # What was final stays as it was, and all three come out again.
    assert (await shop.invoices())[1]["totalMinor"] == 3_749
    assert await usage.recomputed() == (3, [])


async def test_late_usage_just_before_the_next_bill_is_on_it_all_the_same(usage: Usage) -> None:
    shop = usage.shop
    await shop.move("2026-03-31T09:50:00Z")
    await usage.use(3, "2026-02-26T08:00:00Z")
    await usage.use(1, "2026-03-20T08:00:00Z")
    await shop.move("2026-03-31T12:00:00Z")
    march = (await shop.invoices())[2]
    assert sorted(lines_of(await shop.lines(march))) == [
        ("correction", "calls", 30),
        ("recurring", "base", 2_900),
        ("usage", "calls", 10),
    ]
    assert await usage.recomputed() == (3, [])


async def test_several_corrections_in_a_row_go_on_from_each_other(usage: Usage) -> None:
    shop = usage.shop
    _, february = await shop.invoices()
    more = await usage.use(4, "2026-02-20T08:00:00Z")
    await shop.move("2026-03-01T00:00:00Z")
    await usage.void(*more[:3])
    await shop.move("2026-03-02T00:00:00Z")
    await usage.void(more[3])
    await usage.use(2, "2026-02-21T08:00:00Z")
    await shop.move("2026-03-03T00:00:00Z")
    # What comes to the same says nothing: one is taken back and one comes.
    (again,) = await usage.use(1, "2026-02-21T09:00:00Z")
    await shop.move("2026-03-03T00:30:00Z")
    await usage.void(again)
    await shop.move("2026-03-04T00:00:00Z")
    trail = await usage.trail(february)
    assert [entry["amountMinor"] for entry in trail] == [40, -30, 10]
    assert [entry["asOfBefore"] for entry in trail[1:]] == [entry["asOf"] for entry in trail[:-1]]
    await shop.move("2026-03-31T12:00:00Z")
    march = (await shop.invoices())[2]
    amounts = [line["amountMinor"] for line in await shop.lines(march) if line["kind"] == "correction"]
    assert amounts == [40, -30, 10]
    # 27 calls count in the end: 2.70, of which 2.50 were billed.
    assert march["subtotalMinor"] == 2_900 + 20
    assert await usage.recomputed() == (3, [])


async def test_what_is_less_is_a_credit_note_where_the_tenant_wants_that(usage: Usage) -> None:
    shop = usage.shop
    await shop.settings(lateUsage="credit_note")
    _, february = await shop.invoices()
    listed = (await made(shop.caller.get("/billing/usage/events", limit=10)))["data"]
    events = [row["usageEventId"] for row in listed]
    await usage.void(*events[:5])
    await shop.move("2026-02-28T14:00:00Z")
    (note,) = (await made(shop.caller.get("/billing/credit-notes")))["data"]
    # 5 calls are 0.50; their part of the line's tax of 0.475, booked as 0.48 or 0.47, is a fifth of it.
    assert (note["number"], note["reason"], note["invoiceNumber"]) == ("CN-00001", "late_usage", "INV-00002")
    assert (note["netMinor"], note["taxMinor"], note["toOpenMinor"]) == (50, 10, 60)
    (entry,) = await usage.trail(february)
    assert (entry["amountMinor"], entry["creditNotes"]) == (
        -50,
        [{"creditNoteId": note["creditNoteId"], "netMinor": 50}],
    )
    assert (await shop.invoices())[1]["openMinor"] == 3_749 - 60
    await usage.void(*events[5:7])
    await shop.move("2026-02-28T16:00:00Z")
    notes = (await made(shop.caller.get("/billing/credit-notes")))["data"]
    assert [one["netMinor"] for one in notes] == [20, 50]
    assert await usage.recomputed() == (2, [])


async def test_what_is_more_is_an_invoice_of_its_own_where_the_tenant_wants_that(usage: Usage) -> None:
    shop = usage.shop
    await shop.settings(lateUsage="credit_note")
    late = await usage.use(9, "2026-02-20T08:00:00Z")
    await shop.move("2026-02-28T15:00:00Z")
    extra = (await shop.invoices())[2]
    # 0.90 and 19 % of it, 0.171.
    assert (extra["number"], extra["totalMinor"]) == ("INV-00003", 107)
    assert lines_of(await shop.lines(extra)) == [("correction", "calls", 90)]
    # All that February had, and the correction, turn out to be nothing: what was billed apart is part of it.
    listed = (await made(shop.caller.get("/billing/usage/events", limit=100)))["data"]
    await usage.void(*[row["usageEventId"] for row in listed if row["usageEventId"] not in late])
    await usage.void(*late)
    await shop.move("2026-02-28T18:00:00Z")
    fourth = (await shop.invoices())[3]
    assert lines_of(await shop.lines(fourth)) == [("correction", "calls", -340)]
    assert (fourth["status"], fourth["totalMinor"], fourth["appliedMinor"]) == ("paid", -405, -405)
    assert await usage.recomputed() == (4, [])


async def test_a_minimum_that_covered_the_usage_covers_what_comes_late(shop: Shop) -> None:
    usage = await begin(shop, minimum={"model": "minimum", "amount": "40"})
    await shop.move("2026-02-10T00:00:00Z")
    await usage.use(20, "2026-02-09T12:00:00Z")
    await shop.move("2026-02-28T11:30:00Z")
    _, february = await shop.invoices()
    # 29.00 ahead and 2.00 for calls: 9.00 are missing to 40.00.
    assert ("minimum", "minimum", 900) in lines_of(await shop.lines(february))
    await usage.use(50, "2026-02-20T08:00:00Z")
    await shop.move("2026-02-28T14:00:00Z")
    assert [(entry["kind"], entry["amountMinor"]) for entry in await usage.trail(february)] == [
        ("usage", 500),
        ("minimum", -500),
    ]
    # 60 more: 6.00, of which the minimum still covers 4.00.
    await usage.use(60, "2026-02-20T09:00:00Z")
    await shop.move("2026-03-31T12:00:00Z")
    march = (await shop.invoices())[2]
    corrected = [line["amountMinor"] for line in await shop.lines(march) if line["kind"] == "correction"]
    assert sorted(corrected) == [-500, -400, 500, 600]
    assert await usage.recomputed() == (3, [])


async def test_a_percentage_coupon_is_taken_off_corrections_and_an_amount_is_not(shop: Shop) -> None:
    await made(shop.caller.post("/billing/coupons", {"code": "tenth", "name": "A tenth", "percent": "10"}))
    await made(
        shop.caller.post("/billing/coupons", {"code": "five", "name": "Five", "amountMinor": 500, "currency": "EUR"})
    )
    ada = await shop.customer()
    await made(shop.caller.post("/billing/meters", CALLS))
    await shop.plan(metered("1.00"))
    usage = Usage(shop, ada, await shop.subscribe(ada, coupons=["tenth", "five"]))
    await shop.move("2026-02-10T00:00:00Z")
    await usage.use(30, "2026-02-09T12:00:00Z")
    await shop.move("2026-02-28T11:30:00Z")
    first = (await shop.invoices())[-1]
    # 30.00 less 3.00 less 5.00.
    assert (first["subtotalMinor"], first["discountMinor"]) == (3_000, 800)
    await usage.use(10, "2026-02-20T08:00:00Z")
    await shop.move("2026-03-31T12:00:00Z")
    second = (await shop.invoices())[-1]
    assert (second["subtotalMinor"], second["discountMinor"]) == (1_000, 100)
    assert (await usage.recomputed())[1] == []


async def test_what_ended_has_no_next_invoice_and_is_corrected_at_once(usage: Usage) -> None:
    shop = usage.shop
    await shop.move("2026-03-10T10:00:00Z")
    body = {"when": "now", "unused": "keep"}
    await made(shop.caller.post(f"/billing/subscriptions/{usage.subscription}/cancel", body))
    await shop.move("2026-03-10T12:00:00Z")
    count = len(await shop.invoices())
    await usage.use(6, "2026-02-20T08:00:00Z")
    await shop.move("2026-03-10T15:00:00Z")
    invoices = await shop.invoices()
    assert len(invoices) == count + 1
    assert lines_of(await shop.lines(invoices[-1])) == [("correction", "calls", 60)]
    assert (await usage.recomputed())[1] == []


async def test_a_draft_takes_what_comes_in_its_grace_and_a_void_invoice_nothing(usage: Usage) -> None:
    shop = usage.shop
    _, february = await shop.invoices()
    await made(shop.caller.post(f"/billing/invoices/{february['invoiceId']}/void"))
    await usage.use(5, "2026-02-20T08:00:00Z")
    await shop.move("2026-03-31T10:30:00Z")
    draft = (await shop.invoices())[2]
    assert draft["status"] == "draft"
    await usage.use(2, "2026-03-20T08:00:00Z")
    await shop.move("2026-04-05T00:00:00Z")
    march = (await shop.invoices())[2]
    assert sorted(lines_of(await shop.lines(march))) == [("recurring", "base", 2_900), ("usage", "calls", 20)]
    assert await usage.trail(february) == await usage.trail(march) == []


# What somebody changes behind the back of a credit note by late usage, and what is named for it.
ALTERED = {
    "UPDATE usage_events SET outcome = outcome, quantity = 2, recorded_at = recorded_at + interval '30 days' "
    "WHERE idempotency_key = 'call-26'": "events",
    "UPDATE late_corrections SET amount_minor = amount_minor - 1": "line",
    "UPDATE late_corrections SET credited = jsonb_set(credited, '{0,netMinor}', '199')": "line",
    "UPDATE credit_note_lines SET net_minor = net_minor + 1": "line",
    "UPDATE credit_note_lines SET tax_minor = tax_minor + 1": "line",
    "DELETE FROM credit_note_lines": "line",
    "UPDATE credit_notes SET net_minor = net_minor + 1, tax_minor = tax_minor - 1": "totals",
    "UPDATE tax_rates SET percent = 20 WHERE country = 'DE' AND code = 'standard'": "tax_rate",
    "UPDATE price_components SET definition = jsonb_set(definition, '{unitPrice}', '\"0.11\"') "
    "WHERE code = 'calls'": "price",
}
TABLES = ("usage_events", "late_corrections", "credit_note_lines", "credit_notes", "tax_rates", "price_components")


async def test_what_is_altered_behind_a_credit_note_by_late_usage_is_named(
    usage: Usage, connect: Callable[[Role], Awaitable[Connection]]
) -> None:
    shop = usage.shop
    await shop.settings(lateUsage="credit_note", graceHours=0)
    (late,) = await usage.use(1, "2026-02-20T08:00:00Z")
    await shop.move("2026-03-01T00:00:00Z")
    first = await made(shop.caller.get("/billing/usage/events", limit=200))
    voided = [row["usageEventId"] for row in first["data"] if row["usageEventId"] != late][:20]
    await usage.void(*voided)
    await shop.move("2026-03-03T00:00:00Z")
    (note,) = (await made(shop.caller.get("/billing/credit-notes")))["data"]
    assert (note["reason"], note["netMinor"], note["taxMinor"]) == ("late_usage", 200, 38)
    assert (await usage.recomputed())[1] == []
    admin = await connect("admin")
    named: dict[str, set[str]] = {}
    for statement in ALTERED:
        named[statement] = set()
        async with altered(admin, statement, tables=TABLES):
            async for drift in recompute_all(shop.runtime.database, result=Recomputed()):
                if drift.line and drift.line.startswith(("credit note", "correction of")):
                    named[statement].add(drift.cause)
    assert {statement: cause in named[statement] for statement, cause in ALTERED.items()} == dict.fromkeys(
        ALTERED, True
    ), named
    assert (await usage.recomputed())[1] == []
