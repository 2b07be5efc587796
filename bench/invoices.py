"""How many subscriptions a second are renewed and invoiced: items, drafts, final invoices with tax, numbers, inputs.

So many subscriptions have a period that is over: it is renewed, its usage counted (one in `--metered` of them has some,
three events), the next period billed ahead, the invoice drafted and made final at once, and others are told. It is done
by `cloudbill invoices run --workers`, whose processes each take what no other has. The limit is set in the same run:
one connection's COPY of as many rows of invoices as the run writes, into twins without row security, keys or triggers.
Then one invoice of `--lines` lines, PDF and XML of a sample, which are made when they are asked for, a sample computed
again, and what a tenant of this size asks for all day: reports, due lists.

    python -m bench.invoices [--subscriptions 100000] [--workers 2] [--metered 10] [--lines 30000] [--json]
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
import urllib.request
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID

import psycopg
from sqlalchemy import text

from bench.ingest import ask
from bench.installation import ROOT, Installation, installation
from bench.invoices_filled import FILL, LONG
from bench.tenants import register
from core.billing.clocks import service as clocks
from core.billing.invoices import running
from core.billing.invoices.documenting import invoice_document
from core.billing.invoices.documents.pdf import render_pdf
from core.billing.invoices.documents.xml import render_xml
from core.billing.invoices.models import Invoice
from core.billing.invoices.recomputing.recompute import Recomputed, recompute_all
from core.billing.subscriptions.periods import anniversary
from core.foundation.database import Database
from core.foundation.settings import load_settings

AIM_SECONDS_OF_100_000 = 600
AIM_LONG_SECONDS = 10
AIM_GROWTH = 1.25
SAMPLE = 100
RECOMPUTED = 2_000
TABLES = ("invoices", "invoice_lines", "invoice_inputs", "invoice_taxes", "invoice_numbers")
SETTINGS = {
    "legalName": "Bench GmbH",
    "address": {"line1": "Hauptstr. 1", "city": "Berlin", "postalCode": "10115", "country": "DE"},
    "taxIds": {"DE": "DE136695976"},
    "email": "books@bench.test",
    "graceHours": 0,
}
REPORTS = ("mrr", "revenue", "ageing", "credits", "usage", "tax")


def main() -> None:
    """Measures and prints."""
    options = _options()
    with installation(serving=("api",)) as place:
        measured = _measure(place, options)
    print(json.dumps(measured, indent=None if options.json else 2))


def _measure(place: Installation, options: argparse.Namespace) -> dict[str, Any]:
    caller = register(place.port, "bench")
    tenant_id = _one(place, "SELECT id FROM tenants WHERE slug = 'bench'")
    _sell(place, caller)
    count = options.subscriptions
    lines = count + count // options.metered
    begun = time.perf_counter()
    _fill(place, tenant_id, count, options.metered)
    filled = time.perf_counter() - begun
    _tell(f"{count} subscriptions set up in {filled:.0f} s")

    started, cpu = time.perf_counter(), _processor_seconds()
    marks = _run(place, options.workers, count)
    seconds, spent = time.perf_counter() - started, _processor_seconds() - cpu
    made = _one(place, "SELECT count(*) FROM invoices WHERE number IS NOT NULL")
    assert made == count, f"{made} of {count} invoices were made"
    assert _one(place, "SELECT count(*) FROM invoice_lines") == lines, "every item is a line"
    assert _one(place, "SELECT max(sequence) FROM invoice_numbers") == count, "the series has no gap"
    copied = _copy(place)
    _tell(f"{count} renewed and invoiced in {seconds:.1f} s, their rows by COPY in {copied:.1f} s")
    long = asyncio.run(_long_invoice(place, tenant_id, options.lines))
    _tell(f"one of {options.lines} lines in {long['seconds']} s")
    # Who has usage is billed last: growth is that of the others, which are all alike.
    renewals, invoices = _parts(marks, 0, count), _parts(marks, 1, count - count // options.metered)
    _analyze(place)  # as autovacuum does within a minute or two
    return {
        "subscriptions": count,
        "workers": options.workers,
        "setUpSeconds": round(filled, 1),
        "seconds": round(seconds, 1),
        "aSecond": round(count / seconds, 1),
        "processorSecondsOfWorkers": round(spent, 1),
        "secondsOf100000": round(seconds * 100_000 / count),
        "aimSecondsOf100000": AIM_SECONDS_OF_100_000,
        "renewalSecondsAThousandByFifth": renewals,
        "invoiceSecondsAThousandByFifth": invoices,
        "growth": round(max(renewals[-1] / renewals[0], invoices[-1] / invoices[0]), 2),
        "limitCopySeconds": round(copied, 1),
        "ratioToLimit": round(copied / seconds, 3),
        "longInvoice": long,
        **asyncio.run(_documents(tenant_id)),
        "recomputation": asyncio.run(_recompute()),
        "reportSeconds": _reports(place, caller),
        "dueMilliseconds": asyncio.run(_due(tenant_id)),
        "verdicts": {
            "100,000 in 10 minutes": seconds * 100_000 / count <= AIM_SECONDS_OF_100_000,
            "linear (last fifth at most 1.25 of the first)": renewals[-1] <= AIM_GROWTH * renewals[0]
            and invoices[-1] <= AIM_GROWTH * invoices[0],
            f"{options.lines} lines in 10 s": long["seconds"] <= AIM_LONG_SECONDS,
        },
    }


def _sell(place: Installation, caller: str) -> None:
    ask(place.port, caller, "PUT", "/billing/settings/invoices", SETTINGS)
    meter = {"code": "calls", "name": "Calls", "aggregation": "count", "eventName": "calls"}
    ask(place.port, caller, "POST", "/billing/meters", meter)
    base = {"code": "base", "name": "Base", "price": {"model": "flat", "amount": "29"}}
    calls = {
        "code": "calls",
        "name": "Calls",
        "kind": "usage",
        "meter": "calls",
        "price": {"model": "per_unit", "unitPrice": "0.10"},
    }
    for code, components in (("plain", [base]), ("metered", [base, calls])):
        prices = [{"currency": "EUR", "components": components}]
        ask(place.port, caller, "POST", "/billing/plans", {"code": code, "name": code.title(), "prices": prices})


def _run(place: Installation, workers: int, count: int) -> list[tuple[float, int, int]]:
    """Runs it to the end; after how many seconds how many were renewed and invoiced."""
    command = [sys.executable, "-m", "core.cli.main", "invoices", "run", "--workers", str(workers)]
    begun = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, env=place.environment, stdout=subprocess.DEVNULL)
    marks: list[tuple[float, int, int]] = [(0.0, 0, 0)]
    every = min(5.0, max(0.2, count / 5_000))
    with psycopg.connect(place.settings.operator_url, autocommit=True) as connection:
        while process.poll() is None:
            row = connection.execute(
                "SELECT (SELECT count(*) FROM subscription_changes), (SELECT count(*) FROM invoices)"
            ).fetchone()
            assert row
            marks.append((time.perf_counter() - begun, row[0], row[1]))
            time.sleep(every)
    if process.returncode:
        raise SystemExit("a worker failed")
    return [*marks, (time.perf_counter() - begun, count, count)]


def _parts(marks: list[tuple[float, int, int]], which: int, count: int) -> list[float]:
    """Seconds a thousand in each fifth of the way."""
    at = [_when(marks, which, count * part // 5) for part in range(6)]
    return [round((end - begin) / (count / 5_000), 3) for begin, end in zip(at, at[1:], strict=False)]


def _when(marks: list[tuple[float, int, int]], which: int, wanted: int) -> float:
    """The second at which so many were done, between two marks by their share."""
    place = next(place for place, mark in enumerate(marks) if mark[which + 1] >= wanted)
    if not place:
        # Nothing yet: from when the first of them was seen to be under way.
        place = next(place for place, mark in enumerate(marks) if mark[which + 1] > 0) - 1
        return marks[place][0]
    before, after = marks[place - 1], marks[place]
    return before[0] + (after[0] - before[0]) * (wanted - before[which + 1]) / (after[which + 1] - before[which + 1])


def _processor_seconds() -> float:
    used = os.times()
    return used.children_user + used.children_system


async def _long_invoice(place: Installation, tenant_id: UUID, lines: int) -> dict[str, float]:
    with psycopg.connect(place.settings.owner_url) as connection:
        connection.execute("SELECT set_config('app.tenant_id', %s, false)", [str(tenant_id)])
        connection.execute(LONG, {"tenant": tenant_id, "lines": lines})
    database = Database(load_settings())
    try:
        started = time.perf_counter()
        await running.run_tenant(database, tenant_id)
        seconds = time.perf_counter() - started
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
        async for drift in recompute_all(database, result=result, most=RECOMPUTED):
            print(drift, file=sys.stderr)
    finally:
        await database.dispose()
    seconds = time.perf_counter() - began
    return {
        "recomputed": result.recomputed,
        "drifted": result.drifted,
        "aSecond": round(result.recomputed / seconds, 1),
    }


def _reports(place: Installation, caller: str) -> dict[str, float]:
    """Seconds of each report of the month, and of the first page of its rows."""
    found: dict[str, float] = {}
    for name in REPORTS:
        for part in ("", "/rows"):
            url = f"http://127.0.0.1:{place.port}/billing/reports/{name}{part}"
            request = urllib.request.Request(url, headers={"Authorization": f"Bearer {caller}"})
            began = time.perf_counter()
            urllib.request.urlopen(request, timeout=120).read()
            found[name + part] = round(time.perf_counter() - began, 2)
    return found


async def _due(tenant_id: UUID) -> dict[str, float]:
    """Milliseconds of what every tick asks: when something is due to the tenant, and which tenants have something."""
    database = Database(load_settings())
    now, found = datetime.now(UTC), dict[str, float]()
    try:
        for kind in clocks.registered():
            async with database.tenant(tenant_id) as session:
                await kind.next_due(session, tenant_id)
                began = time.perf_counter()
                await kind.next_due(session, tenant_id)
                found[kind.name] = round((time.perf_counter() - began) * 1000, 1)
            async with database.reading() as session:
                await kind.tenants_due(session, now=now)
                began = time.perf_counter()
                await kind.tenants_due(session, now=now)
                found[f"{kind.name}, tenants"] = round((time.perf_counter() - began) * 1000, 1)
    finally:
        await database.dispose()
    return found


def _fill(place: Installation, tenant_id: UUID, count: int, metered: int) -> None:
    """Subscriptions whose first month is over since a minute, as selling and using them leaves them."""
    over = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=1)
    cycle = anniversary(over - timedelta(days=28), "month", count=1, zone="UTC")
    while (period := cycle.period(0)).end > over:
        cycle = anniversary(period.start - timedelta(days=1), "month", count=1, zone="UTC")
    where = {
        "tenant": tenant_id, "count": count, "metered": metered, "start": period.start, "end": period.end,
    }  # fmt: skip
    with psycopg.connect(place.settings.owner_url) as connection:
        connection.execute("SELECT set_config('app.tenant_id', %s, false)", [str(tenant_id)])
        for statement in FILL:
            connection.execute(statement, where)  # pyright: ignore  (our own text)
        connection.commit()
    _analyze(place)


def _analyze(place: Installation) -> None:
    with psycopg.connect(place.settings.owner_url, autocommit=True) as connection:
        connection.execute("ANALYZE")


def _copy(place: Installation) -> float:
    """Seconds that one connection's COPY of the rows takes into twins that check nothing."""
    seconds = 0.0
    with psycopg.connect(place.settings.owner_url) as connection:
        for table in TABLES:
            connection.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")  # pyright: ignore  (our own text)
        connection.commit()
        for table in TABLES:
            connection.execute(f"CREATE TABLE twin_{table} AS TABLE {table} WITH NO DATA")  # pyright: ignore  (our own text)
            with connection.cursor().copy(f"COPY {table} TO STDOUT (FORMAT BINARY)") as copy:  # pyright: ignore  (our own text)
                content = [bytes(part) for part in copy]
            began = time.perf_counter()
            with connection.cursor().copy(f"COPY twin_{table} FROM STDIN (FORMAT BINARY)") as copy:  # pyright: ignore  (our own text)
                for part in content:
                    copy.write(part)
            connection.commit()
            seconds += time.perf_counter() - began
            connection.execute(f"DROP TABLE twin_{table}")  # pyright: ignore  (our own text)
        for table in TABLES:
            connection.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")  # pyright: ignore  (our own text)
        connection.commit()
    return seconds


def _one(place: Installation, statement: str) -> Any:
    with psycopg.connect(place.settings.operator_url) as connection:
        return cast("tuple[Any, ...]", connection.execute(statement).fetchone())[0]  # pyright: ignore  (our own text)


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subscriptions", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--metered", type=int, default=10, help="one in so many has usage")
    parser.add_argument("--lines", type=int, default=30_000)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
