"""How many invoices a second the run makes, drafts and finalization, with tax, numbers and inputs kept.

So many subscriptions have a period to be billed: a flat part ahead, and one in `--metered` of them a meter's usage of
three events. Worker processes share the run, each taking customers that no other has. The limit is set in the same
run: one connection's COPY of as many rows as the run writes, into twins without row security, keys or triggers. Then
one invoice of `--lines` lines, and PDF and XML of a sample, which are made when they are asked for.

    python -m bench.invoices [--subscriptions 100000] [--workers 2] [--metered 10] [--lines 30000] [--json]
"""

import argparse
import asyncio
import json
import subprocess
import sys
import time
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import text

from bench.ingest import _ask as ask
from bench.installation import ROOT, Installation, installation
from bench.tenants import register
from core.billing.invoices import running
from core.billing.invoices.documenting import invoice_document
from core.billing.invoices.documents.pdf import render_pdf
from core.billing.invoices.documents.xml import render_xml
from core.billing.invoices.models import Invoice
from core.billing.invoices.recomputing.recompute import Recomputed, recompute_all
from core.foundation.database import Database
from core.foundation.settings import load_settings

SAMPLE = 100
SETTINGS = {
    "legalName": "Bench GmbH",
    "address": {"line1": "Hauptstr. 1", "city": "Berlin", "postalCode": "10115", "country": "DE"},
    "taxIds": {"DE": "DE136695976"},
    "email": "books@bench.test",
    "graceHours": 0,
}


def main() -> None:
    """Measures and prints."""
    options = _options()
    if options.tenant:
        asyncio.run(_work(UUID(options.tenant), datetime.fromisoformat(options.until)))
        return
    with installation(serving=("api",)) as place:
        print(json.dumps(_measure(place, options), indent=None if options.json else 2))


def _measure(place: Installation, options: argparse.Namespace) -> dict[str, Any]:
    caller = register(place.port, "bench")
    tenant_id = _one(place, "SELECT id FROM tenants WHERE slug = 'bench'")
    ask(place.port, caller, "PUT", "/billing/settings/invoices", SETTINGS)
    meter = {"code": "calls", "name": "Calls", "aggregation": "count", "eventName": "calls"}
    ask(place.port, caller, "POST", "/billing/meters", meter)
    components = [
        {"code": "base", "name": "Base", "price": {"model": "flat", "amount": "29"}},
        {"code": "calls", "name": "Calls", "kind": "usage", "meter": "calls",
         "price": {"model": "per_unit", "unitPrice": "0.10"}},
    ]  # fmt: skip
    prices = [{"currency": "EUR", "components": components}]
    ask(place.port, caller, "POST", "/billing/plans", {"code": "plan", "name": "Plan", "prices": prices})
    count = options.subscriptions
    lines = count + count // options.metered
    _fill(place, tenant_id, count, options.metered)
    print("filled", file=sys.stderr, flush=True)

    started = time.perf_counter()
    marks = _run_workers(place, tenant_id, options.workers, count)
    seconds = time.perf_counter() - started
    made = _one(place, "SELECT count(*) FROM invoices WHERE number IS NOT NULL")
    assert made == count, f"{made} of {count} invoices were made"
    assert _one(place, "SELECT count(*) FROM invoice_lines") == lines, "every item is a line"
    assert _one(place, "SELECT max(sequence) FROM invoice_numbers") == count, "the series has no gap"
    copied = _copy(place, count, lines)
    print(f"{count} invoices in {seconds:.1f} s, their rows by COPY in {copied:.1f} s", file=sys.stderr, flush=True)

    long = asyncio.run(_long_invoice(place, tenant_id, options.lines))
    documents = asyncio.run(_documents(tenant_id))
    again = asyncio.run(_recompute())
    return {
        "subscriptions": count,
        "workers": options.workers,
        "seconds": round(seconds, 1),
        "invoicesASecond": round(count / seconds, 1),
        "limitCopySeconds": round(copied, 1),
        "ratioToLimit": round(copied / seconds, 3),
        "firstTenthASecond": marks[0],
        "lastTenthASecond": marks[1],
        "longInvoice": long,
        **documents,
        "recomputation": again,
    }


def _run_workers(place: Installation, tenant_id: UUID, workers: int, count: int) -> tuple[float, float]:
    """Runs them to the end; invoices a second in the first and the last tenth."""
    until = datetime.now(UTC).isoformat()
    command = [sys.executable, "-m", "bench.invoices", "--tenant", str(tenant_id), "--until", until]
    started = [subprocess.Popen(command, cwd=ROOT, env=place.environment) for _ in range(workers)]
    marks: list[tuple[float, int]] = []
    begun = time.perf_counter()
    while any(process.poll() is None for process in started):
        marks.append((time.perf_counter() - begun, _one(place, "SELECT count(*) FROM invoices")))
        time.sleep(1)
    if any(process.returncode for process in started):
        raise SystemExit("a worker failed")
    marks.append((time.perf_counter() - begun, count))
    return _rate(marks, 0, count // 10), _rate(marks, count - count // 10, count)


def _rate(marks: list[tuple[float, int]], low: int, high: int) -> float:
    first = max((mark for mark in marks if mark[1] <= low), default=marks[0])
    last = next((mark for mark in marks if mark[1] >= high), marks[-1])
    return round((last[1] - first[1]) / max(0.001, last[0] - first[0]), 1)


async def _work(tenant_id: UUID, _until: datetime) -> None:
    database = Database(load_settings())
    try:
        await running.run_tenant(database, tenant_id)
    finally:
        await database.dispose()


async def _long_invoice(place: Installation, tenant_id: UUID, lines: int) -> dict[str, float]:
    with psycopg.connect(place.settings.owner_url) as connection:
        connection.execute("SELECT set_config('app.tenant_id', %s, false)", [str(tenant_id)])
        connection.execute(_LONG, {"tenant": tenant_id, "lines": lines})
    started = time.perf_counter()
    await _work(tenant_id, datetime.now(UTC))
    seconds = time.perf_counter() - started
    database = Database(load_settings())
    try:
        async with database.tenant(tenant_id) as session:
            found = await session.scalar(
                text("SELECT id FROM invoices WHERE lines = :lines AND number IS NOT NULL"), {"lines": lines}
            )
            assert found is not None, "the long invoice was made"
            document = await invoice_document(session, await session.get_one(Invoice, (tenant_id, found)))
        printed = time.perf_counter()
        render_pdf(document)
        pdf = time.perf_counter() - printed
    finally:
        await database.dispose()
    return {"lines": lines, "seconds": round(seconds, 2), "pdfSeconds": round(pdf, 2)}


async def _documents(tenant_id: UUID) -> dict[str, float]:
    database = Database(load_settings())
    try:
        async with database.tenant(tenant_id) as session:
            ids = list(
                await session.scalars(
                    text("SELECT id FROM invoices WHERE lines < 10 AND number IS NOT NULL LIMIT :n"), {"n": SAMPLE}
                )
            )
            documents = [
                await invoice_document(session, await session.get_one(Invoice, (tenant_id, one))) for one in ids
            ]
    finally:
        await database.dispose()
    began = time.perf_counter()
    for document in documents:
        render_xml(document)
    xml = time.perf_counter() - began
    began = time.perf_counter()
    for document in documents:
        render_pdf(document)
    pdf = time.perf_counter() - began
    return {"xmlASecond": round(len(documents) / xml, 1), "pdfASecond": round(len(documents) / pdf, 1)}


async def _recompute() -> dict[str, float]:
    database = Database(load_settings())
    result = Recomputed()
    began = time.perf_counter()
    try:
        async for drift in recompute_all(database, result=result):
            print(drift, file=sys.stderr)
            if result.drifted > 10:
                break
    finally:
        await database.dispose()
    seconds = time.perf_counter() - began
    return {
        "recomputed": result.recomputed,
        "drifted": result.drifted,
        "aSecond": round(result.recomputed / seconds, 1),
    }


def _fill(place: Installation, tenant_id: UUID, count: int, metered: int) -> None:
    with psycopg.connect(place.settings.owner_url) as connection:
        connection.execute("SELECT set_config('app.tenant_id', %s, false)", [str(tenant_id)])
        for statement in _FILL:
            connection.execute(statement, {"tenant": tenant_id, "count": count, "metered": metered})  # pyright: ignore
        connection.commit()
        connection.autocommit = True
        connection.execute("ANALYZE")


def _copy(place: Installation, invoices: int, lines: int) -> float:
    """Seconds that one connection's COPY of the rows takes into twins that check nothing."""
    with psycopg.connect(place.settings.owner_url) as connection:
        connection.execute("ALTER TABLE invoices NO FORCE ROW LEVEL SECURITY")
        for table in ("invoices", "invoice_lines", "invoice_inputs", "invoice_taxes", "invoice_numbers"):
            connection.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")  # pyright: ignore
        connection.commit()
        seconds = 0.0
        for table in ("invoices", "invoice_lines", "invoice_inputs", "invoice_taxes", "invoice_numbers"):
            connection.execute(f"CREATE TABLE twin_{table} AS TABLE {table} WITH NO DATA")  # pyright: ignore
            with connection.cursor().copy(f"COPY {table} TO STDOUT (FORMAT BINARY)") as copy:  # pyright: ignore
                content = [bytes(part) for part in copy]
            began = time.perf_counter()
            with connection.cursor().copy(f"COPY twin_{table} FROM STDIN (FORMAT BINARY)") as copy:  # pyright: ignore
                for part in content:
                    copy.write(part)
            connection.commit()
            seconds += time.perf_counter() - began
        for table in ("invoices", "invoice_lines", "invoice_inputs", "invoice_taxes", "invoice_numbers"):
            connection.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")  # pyright: ignore
        connection.commit()
    return seconds


def _one(place: Installation, statement: str) -> Any:
    with psycopg.connect(place.settings.operator_url) as connection:
        row = connection.execute(statement).fetchone()  # pyright: ignore
        assert row
        return row[0]


_FILL = (
    """
    CREATE TEMP TABLE sold AS
    SELECT n, uuidv7() AS customer, uuidv7() AS subscription FROM generate_series(1, %(count)s) AS n
    """,
    """
    INSERT INTO customers (tenant_id, id, external_id, name, is_self, created_at, currency, address)
    SELECT %(tenant)s, customer, 'c' || n, 'Customer ' || n, false, now(), 'EUR',
           '{"line1": "Weg 1", "city": "Bonn", "postalCode": "53111", "country": "DE"}'
    FROM sold
    """,
    """
    INSERT INTO subscriptions (tenant_id, id, customer_id, plan_tenant_id, plan_id, price_id, state, currency,
        current_period_start, current_period_end, created_at, version, collection, interval, interval_count, cycle,
        proration, anchor, zone, period_number, ordinal, paid_through)
    SELECT %(tenant)s, s.subscription, s.customer, p.tenant_id, p.plan_id, p.id, 'active', 'EUR',
           now() - interval '1 h', now() + interval '30 days', now() - interval '31 days', p.version, 'send_invoice',
           'month', 1, 'anniversary',
           'second', now() - interval '31 days', 'UTC', 1, 1, now() + interval '30 days'
    FROM sold s, prices p WHERE p.tenant_id = %(tenant)s
    """,
    """
    INSERT INTO invoice_items (tenant_id, id, customer_id, currency, subscription_id, ordinal, kind, code, description,
        period_start, period_end, quantity, meter_id, basis, amount_minor, bill_at, created_at)
    SELECT %(tenant)s, uuidv7(), s.customer, 'EUR', s.subscription, 1, 'recurring', 'base', 'Base',
           now() - interval '1 h', now() + interval '30 days', 1, NULL,
           jsonb_build_object('schema', 1, 'sellerId', p.tenant_id, 'planId', p.plan_id, 'productId', NULL, 'version',
                              p.version, 'priceId', p.id, 'componentId', c.id, 'share', '[1, 1]'::jsonb),
           2900, now() - interval '1 h', now()
    FROM sold s, prices p JOIN price_components c ON c.tenant_id = p.tenant_id AND c.price_id = p.id AND c.code = 'base'
    WHERE p.tenant_id = %(tenant)s
    """,
    """
    INSERT INTO invoice_items (tenant_id, id, customer_id, currency, subscription_id, ordinal, kind, code, description,
        period_start, period_end, quantity, meter_id, basis, amount_minor, bill_at, created_at)
    SELECT %(tenant)s, uuidv7(), s.customer, 'EUR', s.subscription, 0, 'usage', 'calls', 'Calls',
           now() - interval '31 days', now() - interval '1 h', NULL, c.meter_id,
           jsonb_build_object('schema', 1, 'sellerId', p.tenant_id, 'planId', p.plan_id, 'productId', NULL, 'version',
                              p.version, 'priceId', p.id, 'componentId', c.id),
           NULL, now() - interval '1 h', now()
    FROM sold s, prices p
    JOIN price_components c ON c.tenant_id = p.tenant_id AND c.price_id = p.id AND c.code = 'calls'
    WHERE p.tenant_id = %(tenant)s AND s.n %% %(metered)s = 0
    """,
    """
    INSERT INTO usage_events (tenant_id, id, occurred_at, customer_id, idempotency_key, outcome, event_name, properties)
    SELECT %(tenant)s, uuidv7(), now() - interval '2 days', s.customer, 'e' || s.n || '-' || k, 'metered',
           'calls', '{}'
    FROM sold s, generate_series(1, 3) AS k WHERE s.n %% %(metered)s = 0
    """,
    "DROP TABLE sold",
)

_LONG = """
INSERT INTO invoice_items (tenant_id, id, customer_id, currency, subscription_id, ordinal, kind, code, description,
    period_start, period_end, quantity, meter_id, basis, amount_minor, bill_at, created_at)
SELECT %(tenant)s, uuidv7(), c.id, 'EUR', NULL, NULL, 'one_off', 'part', 'Part ' || n, NULL, NULL, 1, NULL,
       '{}', n %% 10 + 1, now() - interval '1 h', now()
FROM (SELECT id FROM customers WHERE tenant_id = %(tenant)s AND NOT is_self LIMIT 1) c,
     generate_series(1, %(lines)s) AS n
"""


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subscriptions", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--metered", type=int, default=10, help="one in so many has usage")
    parser.add_argument("--lines", type=int, default=30_000)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--tenant", help=argparse.SUPPRESS)
    parser.add_argument("--until", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
