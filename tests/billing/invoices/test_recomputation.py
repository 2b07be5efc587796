"""Each final invoice can be worked out anew from raw events and price versions; what was altered is named."""

from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
import pytest

from core.billing.invoices.recomputing.comparing import Drift
from core.billing.invoices.recomputing.recompute import Recomputed, recompute_all
from tests.billing.invoices.altering import altered
from tests.billing.invoices.conftest import Shop, flat, metered
from tests.support.furnished import made
from tests.support.servers import Role

Connection = psycopg.AsyncConnection[Any]


@pytest.fixture
async def billed(shop: Shop) -> Shop:
    """Ada's January and February: a flat part, 25 calls, a minimum and a coupon."""
    ada = await shop.customer()
    meter = {"code": "calls", "name": "Calls", "aggregation": "count", "eventName": "calls"}
    await made(shop.caller.post("/billing/meters", meter))
    await made(shop.caller.post("/billing/coupons", {"code": "tenth", "name": "A tenth", "percent": "10"}))
    await shop.plan(flat("29"), metered("0.10"))
    await shop.subscribe(ada, coupons=["tenth"])
    await shop.move("2026-02-01T00:00:00Z")
    events = [{"idempotencyKey": f"e{n}", "eventName": "calls", "customerId": ada} for n in range(25)]
    await made(shop.caller.post("/billing/usage/events", {"events": events}))
    await shop.items(ada, 777)
    await shop.move("2026-03-02T00:00:00Z")
    return shop


async def drifts(shop: Shop) -> tuple[Recomputed, list[Drift]]:
    result = Recomputed()
    found = [drift async for drift in recompute_all(shop.runtime.database, result=result)]
    return result, found


async def test_what_was_billed_is_computed_again_to_the_cent(billed: Shop) -> None:
    result, found = await drifts(billed)
    assert (result.recomputed, result.drifted, result.parked, found) == (3, 0, 0, [])


async def test_a_tax_rate_added_later_for_days_gone_by_changes_nothing_that_was_billed(billed: Shop) -> None:
    rate = {"country": "DE", "name": "USt", "percent": "21", "effectiveFrom": "2026-01-15"}
    await made(billed.caller.post("/billing/tax-rates", rate))
    result, found = await drifts(billed)
    assert (result.recomputed, result.drifted, found) == (3, 0, [])
    await billed.move("2026-04-02T00:00:00Z")
    newest = (await made(billed.caller.get("/billing/invoices")))["data"][0]
    lines = (await made(billed.caller.get(f"/billing/invoices/{newest['invoiceId']}/lines")))["data"]
    assert {line["taxRate"] for line in lines} == {"21"}
    result, found = await drifts(billed)
    assert (result.recomputed, result.drifted, found) == (4, 0, [])


TABLES = (
    "usage_events", "price_components", "tax_rates", "invoice_lines", "invoice_taxes", "invoices", "invoice_inputs",
    "invoice_items", "coupons", "invoice_numbers",
)  # fmt: skip

# What somebody changes behind its back, and what is named.
ALTERED: dict[str, str] = {
    "UPDATE usage_events SET quantity = 2, occurred_at = occurred_at + interval '1 second' "
    "WHERE idempotency_key = 'e7'": "events",
    "DELETE FROM usage_events WHERE idempotency_key = 'e7'": "events",
    "UPDATE price_components SET definition = jsonb_set(definition, '{unitPrice}', '\"0.11\"') "
    "WHERE code = 'calls'": "price",
    "UPDATE price_components SET definition = jsonb_set(definition, '{amount}', '\"30\"') WHERE code = 'base'": "price",
    "UPDATE tax_rates SET percent = 20 WHERE country = 'DE' AND code = 'standard'": "tax_rate",
    "UPDATE invoice_lines SET amount_minor = amount_minor + 1, net_minor = net_minor + 1 WHERE code = 'calls'": "line",
    "UPDATE invoice_lines SET description = 'Something else' WHERE code = 'calls'": "line",
    "UPDATE invoice_lines SET tax_rate = 7 WHERE code = 'calls'": "line",
    "DELETE FROM invoice_lines WHERE code = 'calls'": "line",
    "UPDATE invoice_taxes SET tax_minor = tax_minor + 1": "tax_rate",
    "UPDATE invoices SET subtotal_minor = subtotal_minor + 1, total_minor = total_minor + 1, "
    "open_minor = open_minor + 1": "totals",
    "UPDATE invoice_inputs SET inputs = jsonb_set(inputs, '{zone}', '\"Asia/Tokyo\"')": "inputs",
    "UPDATE invoice_items SET amount_minor = 778 WHERE kind = 'one_off'": "line",
    "UPDATE coupons SET percent = 11 WHERE code = 'tenth'": "coupon",
    "UPDATE invoice_lines SET discounts = '{}' WHERE discount_minor > 0": "line",
    "UPDATE invoices SET paid_minor = 5, open_minor = open_minor - 5 WHERE number IS NOT NULL": "totals",
    "UPDATE invoices SET credited_minor = 5, open_minor = open_minor - 5 WHERE number IS NOT NULL": "totals",
    "UPDATE invoices SET applied_minor = 5, open_minor = open_minor - 5 WHERE number IS NOT NULL": "totals",
    "UPDATE invoices SET lines = lines + 1 WHERE number IS NOT NULL": "totals",
    "UPDATE invoices SET period_end = period_end + interval '1 day' WHERE number = 'INV-00001'": "totals",
    "UPDATE invoices SET number = 'INV-00777' WHERE number = 'INV-00002'": "inputs",
    "UPDATE invoices SET finalized_at = finalized_at + interval '1 hour' WHERE number = 'INV-00002'": "inputs",
    "UPDATE invoice_inputs SET computed_at = computed_at + interval '1 hour'": "inputs",
    "UPDATE invoice_numbers SET document_id = gen_random_uuid() WHERE sequence = 2": "inputs",
}


async def test_what_is_altered_behind_its_back_is_named(
    billed: Shop, connect: Callable[[Role], Awaitable[Connection]]
) -> None:
    admin = await connect("admin")
    named: dict[str, str] = {}
    for statement, wanted in ALTERED.items():
        async with altered(admin, statement, tables=TABLES):
            result, found = await drifts(billed)
            assert result.drifted >= 1, statement
            assert all(drift.invoice.startswith("INV-") for drift in found)
            causes = {drift.cause for drift in found}
            named[statement] = wanted if wanted in causes else " ".join(sorted(causes))
    assert named == ALTERED
    assert (await drifts(billed))[0].drifted == 0


# The same of a customer with a coupon for ever, an event that was voided, a credit note and a payment.
ALTERED_BESIDE: dict[str, str] = {
    "UPDATE invoices SET due_at = due_at + interval '1 day' WHERE number IS NOT NULL": "inputs",
    "UPDATE invoices SET currency = 'USD' WHERE number = 'INV-00002'": "inputs",
    "UPDATE invoices SET memo = 'Other' WHERE number IS NOT NULL": "inputs",
    "UPDATE invoices SET collection = 'automatic' WHERE number IS NOT NULL": "inputs",
    "UPDATE invoices SET bill_at = bill_at + interval '1 hour' WHERE number IS NOT NULL": "inputs",
    "UPDATE invoices SET subscription_id = NULL WHERE number IS NOT NULL": "inputs",
    "UPDATE credit_notes SET number = 'CN-00777'": "inputs",
    "UPDATE credit_notes SET issued_at = issued_at + interval '1 day'": "inputs",
    "UPDATE credit_notes SET currency = 'USD'": "inputs",
    "UPDATE credit_notes SET to_open_minor = to_open_minor - 1, to_wallet_minor = to_wallet_minor + 1": "totals",
    "UPDATE credit_note_lines SET tax_minor = tax_minor + 1": "totals",
    "UPDATE invoice_payments SET amount_minor = amount_minor + 1": "totals",
    "UPDATE coupon_redemptions SET last_ordinal = 0": "coupon",
    "UPDATE coupon_redemptions SET first_ordinal = 1": "coupon",
    "UPDATE invoice_inputs SET parties = (SELECT parties FROM invoice_inputs ORDER BY invoice_id LIMIT 1)": "inputs",
    "UPDATE invoice_inputs SET parties = ''": "inputs",
    "UPDATE invoice_inputs SET as_of = as_of + interval '1 second'": "inputs",
    "UPDATE subject_keys SET key = 'none'": "inputs",
    "DELETE FROM subject_keys": "inputs",
    "UPDATE meters SET aggregation = 'max'": "meter",
    "UPDATE meter_versions SET event_name = 'other'": "meter",
    "UPDATE meter_versions SET effective_from = effective_from + interval '90 days'": "meter",
    'UPDATE meter_versions SET filters = \'[{"property": "region", "operator": "exists"}]\'': "meter",
    "DELETE FROM usage_corrections": "events",
    "UPDATE usage_corrections SET kind = 'restore'": "events",
    "UPDATE usage_corrections SET recorded_at = recorded_at + interval '99 days'": "events",
    "UPDATE prices SET currency = 'CHF' WHERE currency = 'EUR'": "price",
    "UPDATE plan_versions SET interval = 'year'": "rhythm",
    "UPDATE subscription_terms SET version = 9": "inputs",
    "UPDATE subscription_terms SET price_id = gen_random_uuid()": "inputs",
    "UPDATE subscription_items SET quantity = 5 WHERE quantity IS NOT NULL": "inputs",
    "UPDATE invoice_lines SET position = position + 5": "totals",
    "UPDATE invoice_lines a SET amount_minor = b.amount_minor, net_minor = b.amount_minor - a.discount_minor "
    "FROM invoice_lines b WHERE a.invoice_id = b.invoice_id AND a.id <> b.id": "line",
}
UNCHANGED = (
    "UPDATE invoice_settings SET legal_name = 'Other', footer = 'Other', net_days = 3, number_prefix = 'X-'",
    "UPDATE customers SET name = 'Other', address = NULL",
)  # fmt: skip
"""What is of now, and changes no invoice of before."""


@pytest.fixture
async def credited(shop: Shop) -> Shop:
    """Ada's January, with a credit note on its last line, and a payment of a line written by hand."""
    ada = await shop.customer()
    meter = {"code": "calls", "name": "Calls", "aggregation": "count", "eventName": "calls"}
    await made(shop.caller.post("/billing/meters", meter))
    tenth = {"code": "tenth", "name": "A tenth", "percent": "10", "duration": "forever"}
    await made(shop.caller.post("/billing/coupons", tenth))
    await shop.plan(flat("29"), metered("0.10"))
    await shop.subscribe(ada, coupons=["tenth"])
    await shop.move("2026-02-01T00:00:00Z")
    events = [{"idempotencyKey": f"e{n}", "eventName": "calls", "customerId": ada} for n in range(25)]
    sent = await made(shop.caller.post("/billing/usage/events", {"events": events}))
    path = f"/billing/usage/events/{sent['data'][3]['usageEventId']}/amendments"
    await made(shop.caller.post(path, {"kind": "void", "reason": "sent twice"}))
    await shop.items(ada, 777)
    await shop.move("2026-03-02T00:00:00Z")
    _, by_hand, last = await shop.invoices()
    part = {"lines": [{"lineId": (await shop.lines(last))[0]["lineId"], "amountMinor": 100}]}
    await made(shop.caller.post(f"/billing/invoices/{last['invoiceId']}/credit-notes", part))
    paid = {"amountMinor": 40, "reference": "by bank"}
    await made(shop.caller.post(f"/billing/invoices/{by_hand['invoiceId']}/payments", paid))
    return shop


async def test_what_is_altered_beside_the_lines_is_named_by_what_it_is(
    credited: Shop, connect: Callable[[Role], Awaitable[Connection]]
) -> None:
    admin = await connect("admin")
    named: dict[str, str] = {}
    for statement, wanted in ALTERED_BESIDE.items():
        async with altered(admin, statement, tables=[statement.replace("DELETE FROM", "UPDATE").split()[1]]):
            causes = {drift.cause for drift in (await drifts(credited))[1]}
        named[statement] = wanted if wanted in causes else " ".join(sorted(causes))
    assert named == ALTERED_BESIDE
    for statement in UNCHANGED:
        async with altered(admin, statement, tables=[statement.split()[1]]):
            assert (await drifts(credited))[1] == [], statement
    result, found = await drifts(credited)
    assert (result.recomputed, result.drifted, found) == (3, 0, [])


async def test_a_meter_that_counts_otherwise_from_now_on_leaves_what_was_billed(credited: Shop) -> None:
    (meter,) = (await made(credited.caller.get("/billing/meters")))["data"]
    filters = {"filters": [{"property": "region", "operator": "exists"}]}
    await made(credited.caller.patch(f"/billing/meters/{meter['meterId']}", filters))
    assert (await drifts(credited))[1] == []


async def test_the_command_says_how_many_drifted(billed: Shop) -> None:
    from core.cli import invoices

    assert [command.name for command in invoices.app.registered_commands] == ["recompute", "run", "parked", "replay"]


async def test_a_coupon_that_was_altered_is_seen_in_what_it_took_and_in_what_came_back(
    shop: Shop, connect: Callable[[Role], Awaitable[Connection]]
) -> None:
    nine = {"code": "nine", "name": "Nine", "amountMinor": 900, "currency": "EUR"}
    await made(shop.caller.post("/billing/coupons", nine))
    await shop.plan(flat("10"))
    subscription = await shop.subscribe(await shop.customer(), coupons=["nine"])
    await shop.move("2026-02-14T10:00:00Z")
    await made(shop.caller.post(f"/billing/subscriptions/{subscription}/cancel", {"when": "now"}))
    await shop.move("2026-02-15T10:00:00Z")
    assert [one["discountMinor"] for one in await shop.invoices()] == [900, -400]
    result, found = await drifts(shop)
    assert (result.recomputed, result.drifted, found) == (2, 0, [])
    eight = "UPDATE coupons SET amount_minor = 800 WHERE code = 'nine'"
    async with altered(await connect("admin"), eight, tables=("coupons",)):
        result, found = await drifts(shop)
    assert (result.drifted, {drift.cause for drift in found}) == (2, {"coupon"})
    said = " ".join(drift.detail for drift in found)
    assert "discounts are {'nine': 900}, but come to {'nine': 800}" in said
    assert "discounts are {'nine': -400}, but come to {'nine': -300}" in said


async def test_what_was_applied_credited_and_voided_comes_out_again(shop: Shop) -> None:
    ada = await shop.customer()

    async def write(*amounts: int) -> str:
        lines = [{"description": "Work", "amountMinor": minor} for minor in amounts]
        body = {"customerId": ada, "lines": lines, "finalize": True}
        return (await made(shop.caller.post("/billing/invoices", body)))["invoiceId"]

    back, some, void = await write(-1_000), await write(5_000), await write(700)
    (line,) = (await made(shop.caller.get(f"/billing/invoices/{some}/lines")))["data"]
    part = {"lines": [{"lineId": line["lineId"], "amountMinor": 1_111}]}
    await made(shop.caller.post(f"/billing/invoices/{some}/credit-notes", part))
    await made(shop.caller.post(f"/billing/invoices/{void}/void"))
    kept = {one["invoiceId"]: one for one in await shop.invoices()}
    assert [kept[one]["appliedMinor"] for one in (back, some, void)] == [-1_190, 1_190, 0]
    result, found = await drifts(shop)
    assert (result.recomputed, found) == (3, [])
