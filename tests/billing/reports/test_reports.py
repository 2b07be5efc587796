"""Reports over the API: a story of three months with every figure worked out by hand, and sums that tie."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import text

from core.billing.credits import service as credits
from core.billing.invoices import service
from core.foundation.ids import new_id
from tests.billing.invoices.conftest import Shop, flat, metered
from tests.support.furnished import made

REPORTS = ("mrr", "revenue", "ageing", "credits", "usage", "tax")
Figures = dict[tuple[str, str, str], str]


async def report(shop: Shop, name: str, **params: str) -> Figures:
    """Amounts by month, figure and key."""
    answer = await made(shop.caller.get(f"/billing/reports/{name}", **params))
    return {(one["month"], one["figure"], one["key"]): one["amount"] for one in answer["data"]}


async def tell_the_story(shop: Shop) -> dict[str, str]:
    """Anniversary months from the 31st; tax 19 %; grace of an hour; due after 14 days.

    Ada pays 30 a month from 31 January and 42 from 10 February; Bob 120 a year from 15 February until 1 March.
    """
    await shop.plan(flat("30"), code="small")
    await shop.plan(flat("42"), code="large")
    await shop.plan(flat("120"), code="yearly", interval="year")
    ada, bob = await shop.customer("Ada"), await shop.customer("Bob")
    subscription = await shop.subscribe(ada, "small")
    await shop.move("2026-02-10T10:00:00Z")
    await made(shop.caller.post(f"/billing/subscriptions/{subscription}/change", {"planId": "large"}))
    await shop.move("2026-02-15T00:00:00Z")
    leaving = await shop.subscribe(bob, "yearly")
    await shop.move("2026-03-01T00:00:00Z")
    await made(shop.caller.post(f"/billing/subscriptions/{leaving}/cancel", {"when": "now"}))
    await shop.move("2026-03-16T12:00:00Z")
    return {"ada": ada, "bob": bob, "subscription": subscription}


async def test_recurring_revenue_moves_as_customers_come_change_and_go(shop: Shop) -> None:
    story = await tell_the_story(shop)
    found = await report(shop, "mrr", **{"from": "2026-01"})
    assert found == {
        ("2026-01", "new", ""): "30",
        ("2026-01", "closing", ""): "30",
        ("2026-02", "opening", ""): "30",
        ("2026-02", "new", ""): "10",
        ("2026-02", "expansion", ""): "12",
        ("2026-02", "closing", ""): "52",
        ("2026-03", "opening", ""): "52",
        ("2026-03", "churn", ""): "-10",
        ("2026-03", "closing", ""): "42",
    }
    rows = await made(shop.caller.get("/billing/reports/mrr/rows", month="2026-02", figure="expansion"))
    (row,) = rows["data"]
    assert (row["customerId"], row["subscriptionId"], row["at"], row["amount"]) == (
        story["ada"], story["subscription"], "2026-02-10T10:00:00Z", "12",
    )  # fmt: skip


async def test_revenue_is_what_was_invoiced_less_what_is_for_later(shop: Shop) -> None:
    ada = await shop.customer("Ada")
    await shop.plan(flat("31"), code="monthly", cycle="calendar")
    await shop.move("2026-02-01T00:00:00Z")
    await shop.subscribe(ada, "monthly")
    # A month of 28 days is billed at once and final after an hour; at noon of the 15th 14.5 of 28 days have passed.
    await shop.move("2026-02-15T12:00:00Z")
    half = await report(shop, "revenue")
    # 31.00 * 14.5 / 28 = 16.0536
    assert half == {
        ("2026-02", "invoiced", ""): "31",
        ("2026-02", "recognized", ""): "16.05",
        ("2026-02", "deferred", ""): "14.95",
    }
    await shop.items(ada, 10_000)  # work that has no period
    await shop.move("2026-02-20T00:00:00Z")
    (work,) = [one for one in await shop.invoices() if one["subtotalMinor"] == 10_000]
    await made(shop.caller.post(f"/billing/invoices/{work['invoiceId']}/credit-notes", {}))
    await shop.move("2026-03-10T00:00:00Z")
    both = await report(shop, "revenue", **{"from": "2026-02"})
    # February: 31 of the month, and 100 invoiced and taken back. March: 31 for 31 days, 9 of them over.
    assert both == {
        ("2026-02", "invoiced", ""): "31",
        ("2026-02", "recognized", ""): "31",
        ("2026-03", "invoiced", ""): "31",
        ("2026-03", "recognized", ""): "9",
        ("2026-03", "deferred", ""): "22",
    }


async def test_what_is_open_grows_older_until_it_is_paid_or_given_up(shop: Shop) -> None:
    ada, bob = await shop.customer("Ada"), await shop.customer("Bob")
    write = {"finalize": True, "lines": [{"description": "Work", "amountMinor": 10_000}]}
    first = await made(shop.caller.post("/billing/invoices", {"customerId": ada, **write}))
    second = await made(shop.caller.post("/billing/invoices", {"customerId": bob, **write}))
    # Written on 31 January, due on 14 February.
    await shop.move("2026-04-20T10:00:00Z")
    now = datetime(2026, 4, 20, 10, tzinfo=UTC)
    async with shop.runtime.database.tenant(shop.tenant_id) as session:
        await service.settle(
            session, tenant_id=shop.tenant_id, invoice_id=first["invoiceId"], amount_minor=11_000, payment_id=new_id(),
            now=now,
        )  # fmt: skip
    await made(shop.caller.post(f"/billing/invoices/{second['invoiceId']}/uncollectible"))
    assert await report(shop, "ageing", **{"from": "2026-01"}) == {
        ("2026-01", "open", "not due"): "238",
        ("2026-02", "open", "1 to 30 days"): "238",
        ("2026-03", "open", "31 to 60 days"): "238",
        ("2026-04", "open", "61 to 90 days"): "9",
        ("2026-04", "given_up", "61 to 90 days"): "119",
    }


async def test_tax_is_told_by_rate_and_taken_back_with_what_it_was_on(shop: Shop) -> None:
    ada, eva = await shop.customer("Ada"), await shop.customer("Eva", taxTreatment="exempt", taxExemptReason="A school")
    write = {"finalize": True, "lines": [{"description": "Work", "amountMinor": 10_000}]}
    first = await made(shop.caller.post("/billing/invoices", {"customerId": ada, **write}))
    voided = await made(shop.caller.post("/billing/invoices", {"customerId": ada, **write}))
    await made(shop.caller.post("/billing/invoices", {"customerId": eva, **write}))
    await shop.move("2026-02-02T00:00:00Z")
    await made(shop.caller.post(f"/billing/invoices/{voided['invoiceId']}/void"))
    (line,) = await shop.lines(first)
    path = f"/billing/invoices/{first['invoiceId']}/credit-notes"
    await made(shop.caller.post(path, {"lines": [{"lineId": line["lineId"], "amountMinor": 2_000}]}))
    assert await report(shop, "tax", **{"from": "2026-01"}) == {
        ("2026-01", "taxable", "E 0"): "100",
        ("2026-01", "taxable", "S 19"): "200",
        ("2026-01", "tax", "E 0"): "0",
        ("2026-01", "tax", "S 19"): "38",
        ("2026-02", "taxable", "S 19"): "-120",
        ("2026-02", "tax", "S 19"): "-22.8",
    }


async def test_usage_is_told_as_it_was_counted_and_as_it_was_billed(shop: Shop) -> None:
    ada = await shop.customer("Ada")
    await made(
        shop.caller.post(
            "/billing/meters", {"code": "calls", "name": "Calls", "aggregation": "count", "eventName": "calls"}
        )
    )
    await shop.plan(metered("0.05"), code="metered", cycle="calendar")
    await shop.move("2026-02-01T00:00:00Z")
    await shop.subscribe(ada, "metered")
    await shop.move("2026-02-03T00:00:00Z")
    event = {"eventName": "calls", "customerId": ada, "occurredAt": "2026-02-02T10:00:00Z"}
    events = [{**event, "idempotencyKey": f"e-{number}"} for number in range(50)]
    await made(shop.caller.post("/billing/usage/events", {"events": events}))
    await shop.move("2026-03-02T00:00:00Z")
    answer = await made(shop.caller.get("/billing/reports/usage", **{"from": "2026-02"}))
    told = [(one["month"], one["figure"], one["key"], one["quantity"], one["amount"]) for one in answer["data"]]
    assert told == [
        ("2026-02", "counted", "calls", "50", "0"),
        ("2026-02", "events", "calls", "50", "0"),
        ("2026-03", "billed", "calls", "50", "2.5"),
    ]


async def test_every_figure_is_the_sum_of_its_rows_and_ties_to_invoices_and_ledger(shop: Shop) -> None:
    story = await tell_the_story(shop)
    async with shop.runtime.database.tenant(shop.tenant_id) as session:
        for kind, micro in (("grant", 25_000_000), ("grant", 5_000_001)):
            await credits.top_up(
                session, tenant_id=shop.tenant_id, customer_id=story["ada"], currency="EUR", amount_micro=micro,  # type: ignore[arg-type]
                kind=kind, reference=f"{kind}-{micro}", occurred_at=datetime(2026, 3, 16, 12, tzinfo=UTC),
            )  # fmt: skip
    await shop.move("2026-04-16T12:00:00Z")
    for name in REPORTS:
        answer = await made(shop.caller.get(f"/billing/reports/{name}", **{"from": "2026-01"}))
        assert answer["data"] or name == "usage", name
        for figure in answer["data"]:
            where = {part: figure[part] for part in ("month", "figure", "key", "currency") if figure[part]}
            rows: list[dict[str, Any]] = []
            cursor: dict[str, str] = {}
            while True:
                page = await made(shop.caller.get(f"/billing/reports/{name}/rows", **where, **cursor, limit=3))
                rows += page["data"]
                if page["nextCursor"] is None:
                    break
                cursor = {"cursor": page["nextCursor"]}
            assert len(rows) == figure["entries"], figure
            assert sum(Decimal(row["amount"]) for row in rows) == Decimal(figure["amount"]), figure
    revenue = await report(shop, "revenue", **{"from": "2026-01"})
    mrr = await report(shop, "mrr", **{"from": "2026-01"})
    tax = await report(shop, "tax", **{"from": "2026-01"})
    ageing, wallets = await report(shop, "ageing"), await report(shop, "credits")

    def total(found: Figures, *names: str) -> Decimal:
        return sum((Decimal(amount) for (_, name, _), amount in found.items() if name in names), Decimal(0))

    async with shop.runtime.database.reading() as session:

        async def ask(statement: str) -> Decimal:
            return Decimal(await session.scalar(text(statement), {"t": shop.tenant_id})) / 100

        net = await ask(
            "SELECT sum(subtotal_minor - discount_minor) FROM invoices WHERE tenant_id = :t AND number IS NOT NULL"
        )
        charged = await ask("SELECT sum(tax_minor) FROM invoices WHERE tenant_id = :t AND number IS NOT NULL")
        is_open = await ask("SELECT sum(open_minor) FROM invoices WHERE tenant_id = :t AND state = 'open'")
        held = await ask("SELECT sum(balance_micro) / 10000 FROM accounts WHERE tenant_id = :t AND kind = 'wallet'")
    assert total(revenue, "invoiced") == net
    assert total(revenue, "recognized") + Decimal(revenue["2026-04", "deferred", ""]) == net
    assert total(tax, "tax") == charged
    assert total(ageing, "open") == is_open
    assert round(total(wallets, "balance"), 2) == round(held, 2)
    assert total(wallets, "balance") == total(wallets, "balance_before", "moved")
    for month in ("2026-01", "2026-02", "2026-03", "2026-04"):
        of_month = {place: amount for place, amount in mrr.items() if place[0] == month}
        moved = total(of_month, "new", "expansion", "contraction", "churn", "reactivation")
        assert total(of_month, "closing") - total(of_month, "opening") == moved


async def test_a_report_is_taken_away_as_csv_and_reads_no_other_tenant(shop: Shop, open_shop: Any) -> None:
    await tell_the_story(shop)
    taken = await shop.caller.get("/billing/reports/mrr/csv", **{"from": "2026-02", "to": "2026-02"})
    assert taken.headers["content-type"].startswith("text/csv")
    assert taken.text.splitlines()[:2] == [
        "month,currency,figure,key,amount,quantity,entries,customers",
        "2026-02,EUR,opening,,30,,1,1",
    ]
    rows = await shop.caller.get("/billing/reports/mrr/csv", month="2026-03", figure="churn")
    assert rows.text.splitlines()[1].startswith("2026-03,EUR,churn,,-10,,2026-03-01T00:00:00Z,churn,")
    other = await open_shop("other")
    for name in REPORTS:
        assert (await made(other.caller.get(f"/billing/reports/{name}")))["data"] == []


async def test_a_month_that_has_not_begun_is_refused_by_name(shop: Shop) -> None:
    answer = await shop.caller.get("/billing/reports/mrr", to="2026-02")
    assert (answer.status_code, "2026-01" in answer.text) == (422, True)
    assert (await shop.caller.get("/billing/reports/tax/rows", month="January")).status_code == 422
    assert (await shop.caller.get("/billing/reports/tax/rows", cursor="x")).status_code == 422
