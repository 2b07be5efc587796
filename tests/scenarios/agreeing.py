"""What must agree of a tenant's money, whatever happened to it: asked over the API, as finance would."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import text

from core.billing.payments.reconciling.comparing import Finding
from core.billing.payments.reconciling.reconcile import reconcile
from core.foundation.money import minor_digits
from tests.scenarios.story import Story
from tests.support.furnished import made

REPORTS = ("mrr", "revenue", "ageing", "credits", "usage", "tax")
MOVEMENTS = ("new", "expansion", "contraction", "churn", "reactivation")
Row = dict[str, Any]


async def everything_agrees(story: Story, customers: list[str], *, since: datetime) -> None:
    """Raises AssertionError with what does not: the story's books, invoices, wallets, reports, facts."""
    await story.books_agree()
    await _invoices_agree(story)
    for customer in customers:
        await _a_wallet_agrees(story, customer)
    await _reports_agree(story, since)
    await _money_agrees(story)
    await _facts_are_told_once(story)


async def _invoices_agree(story: Story) -> None:
    for invoice in await story.invoices():
        if invoice["number"] is None:
            continue
        settled = invoice["appliedMinor"] + invoice["paidMinor"] + invoice["creditedMinor"]
        is_open = 0 if invoice["status"] == "void" else invoice["totalMinor"] - settled
        assert invoice["openMinor"] == is_open, invoice
        assert (invoice["status"] in ("paid", "void")) == (is_open <= 0), invoice
        payments = (await made(story.caller.get(f"/billing/invoices/{invoice['invoiceId']}/payments")))["data"]
        assert all(0 <= payment["refundedMinor"] <= payment["amountMinor"] for payment in payments), payments


async def _a_wallet_agrees(story: Story, customer: str) -> None:
    lots = await made(story.caller.get(f"/billing/credits/{customer}"))
    wallet = await made(story.caller.get(f"/billing/wallets/{customer}"))
    left = sum(Decimal(lot["remaining"]) for lot in lots["data"] if not lot["models"] and not lot["meters"])
    assert left - Decimal(lots["owed"]) == Decimal(wallet["balance"]), (lots, wallet)
    assert Decimal(wallet["available"]) >= 0, wallet


async def _reports_agree(story: Story, since: datetime) -> None:
    """Each figure is the sum of its rows, and they tie to invoices and credit notes."""
    reports: dict[str, list[Row]] = {}
    for name in REPORTS:
        reports[name] = (await made(story.caller.get(f"/billing/reports/{name}", **{"from": f"{since:%Y-%m}"})))["data"]
        for figure in reports[name]:
            where = {part: figure[part] for part in ("month", "figure", "key", "currency") if figure[part]}
            rows = await made(story.caller.get(f"/billing/reports/{name}/rows", **where, limit=200))
            if rows["nextCursor"] is None:
                assert len(rows["data"]) == figure["entries"], (name, figure, rows)
                assert sum(Decimal(row["amount"]) for row in rows["data"]) == Decimal(figure["amount"]), (figure, rows)
    invoices = [one for one in await story.invoices() if one["number"] and one["status"] != "void"]
    kept = {one["invoiceId"] for one in invoices}
    notes = (await made(story.caller.get("/billing/credit-notes", limit=200)))["data"]
    notes = [one for one in notes if one["invoiceId"] in kept]
    months = sorted({one["month"] for report in reports.values() for one in report})
    for currency in sorted({one["currency"] for one in invoices}):
        of = _Figures(reports, currency)
        of_invoices = [one for one in invoices if one["currency"] == currency]
        of_notes = [one for one in notes if one["currency"] == currency]
        net = of.units(sum(one["subtotalMinor"] - one["discountMinor"] for one in of_invoices))
        net -= of.units(sum(one["netMinor"] for one in of_notes))
        assert of("revenue", "invoiced") == net, of
        assert of("revenue", "recognized") + of("revenue", "deferred", month=months[-1]) == net, of
        tax = sum(one["taxMinor"] for one in of_invoices) - sum(one["taxMinor"] for one in of_notes)
        assert of("tax", "tax") == of.units(tax), of
        for figure, status in (("open", "open"), ("given_up", "uncollectible")):
            owed = sum(one["openMinor"] for one in of_invoices if one["status"] == status)
            assert of("ageing", figure, month=months[-1]) == of.units(owed), of
        for month in months:
            moved = of("mrr", "opening", *MOVEMENTS, month=month)
            assert of("mrr", "closing", month=month) == moved, of
            came = of("revenue", "deferred_before", "invoiced", month=month)
            assert of("revenue", "recognized", "deferred", month=month) == came, of


class _Figures:
    """Figures of all reports in one currency."""

    def __init__(self, reports: dict[str, list[Row]], currency: str) -> None:
        self._reports = {name: [one for one in rows if one["currency"] == currency] for name, rows in reports.items()}
        self._unit = Decimal(10) ** minor_digits(currency)

    def __call__(self, report: str, *figures: str, month: str | None = None) -> Decimal:
        rows = [one for one in self._reports[report] if one["figure"] in figures and month in (None, one["month"])]
        return sum((Decimal(one["amount"]) for one in rows), Decimal(0))

    def __repr__(self) -> str:
        return repr(self._reports)

    def units(self, minor: int) -> Decimal:
        """An amount as reports give it."""
        return Decimal(minor) / self._unit


async def _money_agrees(story: Story) -> None:
    """What came less what went is what invoices and wallets say, but for what came twice and could not go back yet."""
    async with story.house.runtime.database.reading() as session:
        rows = (await session.execute(_MONEY, {"slug": story.slug})).all()
    for currency, came_minor, booked_minor, credits_micro, owed_minor in rows:
        booked = Decimal(booked_minor) + Decimal(credits_micro) / 10 ** (6 - minor_digits(currency))
        assert 0 <= came_minor - booked <= owed_minor, (currency, came_minor, booked, owed_minor)


_MONEY = text("""
WITH t AS (SELECT id FROM tenants WHERE slug = :slug), moves AS (
    SELECT currency, amount_minor AS came, 0 AS booked, 0 AS micro, 0 AS owed
    FROM payments JOIN t ON t.id = tenant_id WHERE state = 'succeeded'
    UNION ALL SELECT currency, -amount_minor, 0, 0, 0
    FROM refunds JOIN t ON t.id = tenant_id WHERE state IN ('pending', 'succeeded')
    UNION ALL SELECT currency, -amount_minor, 0, 0, 0 FROM disputes JOIN t ON t.id = tenant_id WHERE state <> 'won'
    UNION ALL SELECT currency, 0, paid_minor, 0, 0 FROM invoices JOIN t ON t.id = tenant_id
    UNION ALL SELECT currency, 0, -CASE WHEN state IN ('pending', 'succeeded') THEN amount_minor ELSE settled_minor END,
        0, 0 FROM refunds JOIN t ON t.id = tenant_id WHERE credit_note_id IS NOT NULL
    UNION ALL SELECT currency, 0, 0, 0, amount_minor - settled_minor
    FROM refunds JOIN t ON t.id = tenant_id WHERE origin = 'duplicate' AND state IN ('failed', 'canceled')
    UNION ALL SELECT currency, 0, 0, -balance_micro, 0
    FROM accounts JOIN t ON t.id = tenant_id WHERE kind = 'clearing')
SELECT currency, sum(came), sum(booked), sum(micro), sum(owed) FROM moves GROUP BY currency
""")


async def _facts_are_told_once(story: Story) -> None:
    told = Counter(json.dumps({**one, "id": None}, sort_keys=True) for one in await story.webhooks())
    twice = [fact for fact, count in told.items() if count > 1]
    assert not twice, twice


async def differences_to_the_provider(story: Story) -> list[Finding]:
    """What moved there and we do not say, or say otherwise, of all tenants of the house."""
    runtime = story.house.runtime
    wall = datetime.now(UTC) + timedelta(hours=1)
    done = await reconcile(runtime.database, runtime.settings, since=wall - timedelta(days=1), wall=wall)
    return done.findings
