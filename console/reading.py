"""The API's JSON, read into rows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from console import rows
from console.figures import compact, count, day, long_instant, minor_money, moment, money, parse_instant

Json = Mapping[str, Any]

KINDS = {
    "purchase": "Credits bought",
    "usage": "Usage",
    "refund": "Refund",
    "refund_reversal": "Refund returned",
    "dispute": "Dispute",
    "dispute_reversal": "Dispute won",
    "receivable_payment": "Receivable paid",
    "adjustment": "Adjustment",
    "grant": "Credits granted",
}

PARTS = {"api": "API", "database": "PostgreSQL", "cache": "Redis", "worker": "Worker", "stripe": "Stripe"}


def overview(body: Json, now: datetime) -> rows.Overview:
    """`GET /operations/overview`."""
    currency, ledger, usage = body["currency"], body["ledger"], body["usageToday"]
    health = [
        rows.HealthPart(name=PARTS.get(name, name), healthy=state == "healthy")
        for name, state in body["health"].items()
    ]
    return rows.Overview(
        revenue_today=money(body["revenueToday"], currency),
        revenue_30d=money(body["revenue30d"], currency),
        credits_outstanding=money(body["creditsOutstanding"], currency),
        receivables=money(body["receivables"], currency),
        usage_today=money(usage["charged"], currency),
        usage_30d=money(sum(Decimal(entry["charged"]) for entry in body["usageByDay"]), currency),
        calls_today=count(usage["calls"]),
        tenants=body["tenants"],
        active_tenants=body["activeTenants30d"],
        currency=currency,
        currencies=list(body.get("currencies", [currency])),
        test_tenants=body.get("testTenants", 0),
        revenue_by_day=[_point(entry["date"], entry["amount"], currency) for entry in body["revenueByDay"]],
        usage_by_day=[
            _point(entry["date"], entry["charged"], currency, entry["calls"]) for entry in body["usageByDay"]
        ],
        models=_ranked((e["model"], e["model"], e["charged"], e["calls"]) for e in body["usageByModel"])(currency),
        top_tenants=_ranked((e["tenantId"], e["name"], e["charged"], None) for e in body["topTenants"])(currency),
        health=health,
        unhealthy=", ".join(part.name for part in health if not part.healthy),
        parked=_parked(body["jobs"]["parked"], body["webhooks"]["parked"]),
        ledger_state={True: "verified", False: "broken", None: "unchecked"}[ledger["verified"]],
        ledger_checked=moment(ledger.get("verifiedAt"), now),
        ledger_blocks=count(ledger["blocks"]),
        ledger_unsealed=ledger["unsealed"],
        ledger_sealed=moment(ledger["lastSealedAt"], now),
        demo="" if body.get("demo") in (None, "made") else body["demo"],
    )


def _parked(jobs: int, webhooks: int) -> str:
    named = ((jobs, "job"), (webhooks, "Stripe event"))
    return " and ".join(f"{count(number)} {noun}{'' if number == 1 else 's'}" for number, noun in named if number)


def tenant_page(body: Json, now: datetime) -> rows.TenantPage:
    """`GET /operations/tenants`."""
    return rows.TenantPage(
        rows=[_tenant_row(entry, now) for entry in body["data"]],
        next_cursor=body["nextCursor"] or "",
        total=body["total"],
    )


def _tenant_row(entry: Json, wall_now: datetime) -> rows.TenantRow:
    currency = entry["currency"]
    now = parse_instant(entry["clockNow"]) if entry.get("clockNow") else wall_now
    return rows.TenantRow(
        tenant_id=entry["tenantId"],
        name=entry["name"],
        is_test=entry["isTest"],
        balance=money(entry["balance"], currency),
        available=money(entry["available"], currency),
        receivable=money(entry["receivable"], currency),
        invoices_open=money(entry["invoicesOpen"], currency),
        invoices_overdue=money(entry["invoicesOverdue"], currency),
        usage_30d=money(entry["usage30d"], currency),
        last_used=moment(entry["lastUsedAt"], now),
        created=moment(entry["createdAt"], now),
        members=entry["members"],
    )


def tenant_head(tenant_id: str, name: str, wallet: Json, clock: Json, about: Json | None) -> rows.TenantHead:
    """`GET /billing/wallets/self`, `/billing/test-clock` and, for the installation, `/operations/tenants/{id}`."""
    currency, about = wallet["currency"], about or {}
    now = parse_instant(clock["now"])
    return rows.TenantHead(
        tenant_id=tenant_id,
        customer_id=wallet["customerId"],
        name=about.get("name") or name or tenant_id,
        is_test=clock["isTest"],
        clock_iso=clock["now"],
        clock=long_instant(now),
        owners=", ".join(owner["email"] for owner in about.get("owners", ())),
        created=moment(about.get("createdAt"), now),
        balance=money(wallet["balance"], currency),
        available=money(wallet["available"], currency),
        held=money(wallet["held"], currency),
        receivable=money(wallet["receivable"], currency),
        currency=currency,
    )


def ledger_page(body: Json, now: datetime) -> rows.LedgerPage:
    """`GET /api/ledger`."""
    return rows.LedgerPage(
        rows=[
            rows.LedgerRow(
                transaction_id=entry["transactionId"],
                kind=KINDS.get(entry["kind"], entry["kind"].replace("_", " ").capitalize()),
                text=_about(entry),
                amount=money(entry["amount"], entry["currency"]),
                balance_after=money(entry["balanceAfter"], entry["currency"]),
                occurred=moment(entry["occurredAt"], now),
                recorded=long_instant(parse_instant(entry["recordedAt"])),
            )
            for entry in body["data"]
        ],
        next_cursor=body["nextCursor"] or "",
    )


def _about(entry: Json) -> str:
    described = entry.get("description") or ""
    described = "" if described == KINDS.get(entry["kind"]) else described
    if entry["kind"] == "usage":  # token counts stand in it as plain digits
        described = re.sub(r"\b\d{4,}\b", lambda number: count(int(number[0])), described)
    owed = Decimal(entry.get("receivable") or 0)
    said = {1: "owed", -1: "of what was owed is paid"}.get((owed > 0) - (owed < 0), "")
    note = f"{money(abs(owed), entry['currency']).brief} {said}" if said else ""
    return " · ".join(filter(None, (described, note)))


def chain(body: Json, now: datetime) -> rows.Chain:
    """`GET /api/ledger/verification`; sealing runs on the wall clock."""
    return rows.Chain(
        blocks=count(body["blocks"]),
        last_hash=body["lastBlockHash"] or "",
        sealed=moment(body["sealedAt"], now),
        unsealed=body["unsealed"],
    )


def usage(body: Json, since: datetime, until: datetime) -> rows.Usage:
    """`GET /api/usage/summary`; days without a call are bars of no height, not gaps."""
    currency, calls, total = body["currency"], body["calls"], Decimal(body["total"])
    longest = max((Decimal(entry["charged"]) for entry in body["byModel"]), default=Decimal(0))
    return rows.Usage(
        total=money(total, currency),
        calls=count(calls),
        average=money(total / calls if calls else total, currency),
        by_day=_every_day(body["byDay"], currency, since, until),
        by_model=[_model(entry, currency, longest) for entry in body["byModel"]],
    )


def _every_day(entries: list[Json], currency: str, since: datetime, until: datetime) -> list[rows.Point]:
    used = {entry["date"]: entry for entry in entries}
    dates = ((since + timedelta(days=offset)).date().isoformat() for offset in range((until - since).days + 1))
    return [
        _point(date, used[date]["charged"], currency, used[date]["calls"])
        if date in used
        else _point(date, "0", currency, 0)
        for date in dates
    ]


def _model(entry: Json, currency: str, longest: Decimal) -> rows.ModelUsage:
    return rows.ModelUsage(
        model=entry["model"],
        calls=count(entry["calls"]),
        input_tokens=compact(entry["inputTokens"]),
        input_exact=count(entry["inputTokens"]),
        cached_tokens=compact(entry["cachedTokens"]),
        cached_exact=count(entry["cachedTokens"]),
        output_tokens=compact(entry["outputTokens"]),
        output_exact=count(entry["outputTokens"]),
        charged=money(entry["charged"], currency),
        percent=_percent(Decimal(entry["charged"]), longest),
    )


def packages(body: Json) -> list[rows.Package]:
    """`GET /billing/packages`, cheapest first."""
    return [_package(entry) for entry in sorted(body["data"], key=lambda entry: entry["amountMinor"])]


def _package(entry: Json) -> rows.Package:
    paid = Decimal(minor_money(entry["amountMinor"], entry["currency"]).split()[0].replace(",", ""))
    extra = (Decimal(entry["credits"]) - paid) * 100 / paid if paid else Decimal(0)
    return rows.Package(
        code=entry["packageCode"],
        name=entry["name"],
        price=minor_money(entry["amountMinor"], entry["currency"]),
        credits=money(entry["credits"], entry["currency"]),
        bonus=f"{extra:.0f} % extra" if extra > 0 else "",
    )


def purchase_page(body: Json, now: datetime) -> rows.PurchasePage:
    """`GET /api/purchases`."""
    return rows.PurchasePage(
        rows=[purchase(entry, now) for entry in body["data"]], next_cursor=body["nextCursor"] or ""
    )


def purchase(entry: Json, now: datetime) -> rows.Purchase:
    """One purchase of `/api/purchases`; only what began it, or asked the provider about it, knows where to pay."""
    refunded = 0 if entry["status"] == "refunded" else entry.get("refundedMinor") or 0
    failed = (entry.get("failureCode") or "").replace("_", " ")
    return rows.Purchase(
        purchase_id=entry["purchaseId"],
        package=entry["packageName"],
        status=entry["status"],
        price=minor_money(entry["amountMinor"], entry["currency"]),
        note=f"{minor_money(refunded, entry['currency'])} refunded" if refunded else failed,
        credits=money(entry["credits"], entry["currency"]),
        created=moment(entry["createdAt"], now),
        checkout_url=entry.get("checkoutUrl") or "",
    )


def hold_page(body: Json, now: datetime, own: str) -> rows.HoldPage:
    """`GET /api/usage/holds`."""
    return rows.HoldPage(rows=[hold(entry, now, own) for entry in body["data"]], next_cursor=body["nextCursor"] or "")


def hold(entry: Json, now: datetime, own: str) -> rows.Hold:
    """One hold of `/api/usage/holds`; `own` is the tenant itself as a customer, who needs no naming."""
    return rows.Hold(
        hold_id=entry["holdId"],
        amount=money(entry["amount"], entry["currency"]),
        status=entry["status"],
        customer="" if entry["customerId"] == own else f"of customer {entry['customerId']}",
        expires=moment(entry["expiresAt"], now),
    )


def api_key(entry: Json, now: datetime) -> rows.ApiKey:
    """One key of `/auth/api-keys`."""
    return rows.ApiKey(
        api_key_id=entry["apiKeyId"],
        name=entry["name"],
        prefix=f"cbk_{entry['prefix']}",
        scopes=", ".join(entry["scopes"]),
        created=moment(entry["createdAt"], now),
        last_used=moment(entry.get("lastUsedAt"), now),
        expires=moment(entry.get("expiresAt"), now),
    )


def _point(date: str, amount: str, currency: str, calls: int | None = None) -> rows.Point:
    shown = money(amount, currency)
    suffix = "" if calls is None else f" · {count(calls)} call" + ("" if calls == 1 else "s")
    return {"label": day(date), "value": shown.value, "shown": shown.brief + suffix}


def _ranked(entries: Iterable[tuple[str, str, str, int | None]]):
    ranked = list(entries)
    longest = max((Decimal(charged) for _, _, charged, _ in ranked), default=Decimal(0))

    def in_currency(currency: str) -> list[rows.Share]:
        return [
            rows.Share(
                key=key,
                name=name,
                amount=money(charged, currency),
                detail="" if calls is None else f"{count(calls)} calls",
                percent=_percent(Decimal(charged), longest),
            )
            for key, name, charged, calls in ranked
        ]

    return in_currency


def _percent(part: Decimal, whole: Decimal) -> float:
    return float(round(part / whole * 100, 1)) if whole else 0.0
