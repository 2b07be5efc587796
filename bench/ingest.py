"""How many metered events a second, over HTTP in batches of 1,000, against one connection's COPY in the same run.

The COPY goes into a twin of `usage_events` on the same server: the same columns and indexes and a unique key, without
partitions, row security, triggers, meters. The API counts every event by three meters in the transaction that stores
it. Then the same again with `--rows` events in the tables, and questions for a customer's current usage. Afterwards
every acknowledged event must be stored and counted once.

    python -m bench.ingest [--seconds 15] [--connections 8] [--customers 100] [--rows 10000000] [--json]
"""

import argparse
import asyncio
import io
import json
import random
import selectors
import socket
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

import psycopg
import uuid_utils

from bench.installation import ROOT, Installation, installation
from bench.tenants import register
from core.billing.metering.events.checking import check_hour
from core.foundation.database import Database

BATCH = 1_000
METERS = (
    {"code": "calls", "name": "Calls", "aggregation": "count", "eventName": "api_call", "dimensions": ["region"]},
    {"code": "bytes", "name": "Bytes", "aggregation": "sum", "eventName": "api_call", "property": "bytes"},
    {
        "code": "slow",
        "name": "Slow calls",
        "aggregation": "count",
        "eventName": "api_call",
        "filters": [{"property": "tier", "operator": "equals", "values": ["slow"]}],
    },
)
AIM_A_SECOND, AIM_OF_COPY, AIM_KEPT, AIM_P99_MS = 50_000, 0.5, 0.8, 20
REGIONS = ("eu", "us", "ap")


@dataclass(frozen=True)
class Result:
    """One measurement: events or questions a second, a request's time, and the ratio to the limit."""

    name: str
    a_second: float
    p50_ms: float
    p99_ms: float
    ratio: float | None = None

    def __str__(self) -> str:
        ratio = "" if self.ratio is None else f"  ratio {self.ratio:.2f}"
        return f"{self.name:<44} {self.a_second:>10,.0f}/s  p50 {self.p50_ms:6.1f}  p99 {self.p99_ms:6.1f} ms{ratio}"


def main() -> None:
    """Measures and prints."""
    options = _options()
    with installation(serving=("api",)) as place:
        caller = register(place.port, "bench")
        tenant_id = _tenant(place)
        for meter in METERS:
            ask(place.port, caller, "POST", "/billing/meters", meter)
        _send(place, caller, options, "warm", seconds=2)
        copied = _copy(place, tenant_id, options)
        results = [Result("COPY into the twin, 1 connection", copied, 0, 0)]
        for number, rows in enumerate((0, options.rows) if options.rows else (0,)):
            if rows:
                print("filling", file=sys.stderr, flush=True)
                _fill(place, tenant_id, rows)
                print("filled", file=sys.stderr, flush=True)
            measured, accepted = _send(place, caller, options, f"run{number}", seconds=options.seconds)
            name = f"at {rows:,} rows" if rows else "empty tables"
            results += [
                Result(
                    f"HTTP, {options.connections} connections, {name}",
                    accepted / measured["seconds"],
                    _percentile(measured["latencies"], 0.5),
                    _percentile(measured["latencies"], 0.99),
                    accepted / measured["seconds"] / copied,
                ),
            ]
            results.append(_query(place, caller, name))
            for line in results[-3 + number :]:
                print(line, file=sys.stderr, flush=True)
        asyncio.run(_verify(place, tenant_id))
        verdicts = _verdicts(results)
        if options.json:
            print(json.dumps({"results": [asdict(one) for one in results], "verdicts": verdicts}))
        else:
            print("\n".join(map(str, results)))
            print("\n".join(f"{'reached' if reached else 'missed':<8} {aim}" for aim, reached in verdicts.items()))


def _verdicts(results: list[Result]) -> dict[str, bool]:
    """Each aim with what was measured, and whether it is reached."""
    sent, asked = results[1::2], results[2::2]
    ratio = sent[0].ratio or 0
    found = {
        f"{AIM_A_SECOND:,} events a second: {sent[0].a_second:,.0f}": sent[0].a_second >= AIM_A_SECOND,
        f"{AIM_OF_COPY} of one connection's COPY: {ratio:.2f}": ratio >= AIM_OF_COPY,
        f"current usage p99 under {AIM_P99_MS} ms: {max(one.p99_ms for one in asked):.1f}": all(
            one.p99_ms < AIM_P99_MS for one in asked
        ),
    }
    if len(sent) > 1:
        kept = sent[1].a_second / sent[0].a_second
        found[f"with the rows {AIM_KEPT} of the first: {kept:.2f}"] = kept >= AIM_KEPT
    return found


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--customers", type=int, default=100)
    parser.add_argument("--rows", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--client", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.client:
        _client(json.loads(options.client))
        raise SystemExit
    return options


def _event(prefix: str, number: int, customers: int, at: str) -> str:
    return (
        f'{{"idempotencyKey":"{prefix}-{number}","eventName":"api_call","externalId":"customer-{number % customers}",'
        f'"occurredAt":"{at}","properties":{{"region":"{REGIONS[number % 3]}","bytes":{number % 5000},'
        f'"tier":"{"slow" if number % 10 == 0 else "fast"}","path":"/v1/things/{number % 97}"}}}}'
    )


def _send(
    place: Installation, caller: str, options: argparse.Namespace, prefix: str, *, seconds: float
) -> tuple[dict[str, Any], int]:
    """A process of its own sends; what it measured, and how many events were accepted in that time."""
    order = {
        "port": place.port,
        "token": caller,
        "prefix": prefix,
        "seconds": seconds,
        "connections": options.connections,
        "customers": options.customers,
    }
    finished = subprocess.run(
        [sys.executable, "-m", "bench.ingest", "--client", json.dumps(order)], capture_output=True, text=True, cwd=ROOT
    )
    if finished.returncode:
        raise SystemExit(finished.stderr)
    measured = json.loads(finished.stdout)
    return measured, measured["accepted"]


def _client(order: dict[str, Any]) -> None:
    """Keep-alive connections, each sending its next batch as soon as the last is answered; bodies are made before."""
    # More than can be sent in the time; made in slices of memory that the machine has.
    batches = int(order["seconds"] * 90) + order["connections"]
    at = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    requests = [_request(order, number, at) for number in range(batches)]
    requests.reverse()
    selector = selectors.EpollSelector()
    for _ in range(order["connections"]):
        connection = socket.create_connection(("127.0.0.1", order["port"]))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(connection, selectors.EVENT_READ, [b"", time.perf_counter()])
    begin = time.perf_counter()
    end = begin + order["seconds"]
    for key in list(selector.get_map().values()):
        key.data[1] = time.perf_counter()
        cast("socket.socket", key.fileobj).sendall(requests.pop())
    latencies: list[float] = []
    accepted = 0
    waiting = order["connections"]
    last = begin
    while waiting:
        for key, _ in selector.select(30):
            connection: Any = key.fileobj
            key.data[0] += connection.recv(262_144)
            head, _, rest = key.data[0].partition(b"\r\n\r\n")
            lowered = head.lower()
            at_length = lowered.find(b"content-length:")
            if at_length < 0 or len(rest) < int(lowered[at_length + 15 :].split(b"\r\n", 1)[0]):
                continue
            answer = rest[:60]
            if head[9:12] != b"200" or not answer.startswith(b'{"accepted":1000,'):
                raise SystemExit(f"refused: {head[:200]!r} {rest[:400]!r}")
            now = time.perf_counter()
            latencies.append(now - key.data[1])
            accepted += BATCH
            last = now
            if now < end and requests:
                key.data[0], key.data[1] = b"", now
                connection.sendall(requests.pop())
            else:
                waiting -= 1
                selector.unregister(connection)
                connection.close()
    json.dump({"seconds": last - begin, "latencies": latencies, "accepted": accepted}, sys.stdout)


def _request(order: dict[str, Any], batch: int, at: str) -> bytes:
    first = batch * BATCH
    events = ",".join(_event(order["prefix"], number, order["customers"], at) for number in range(first, first + BATCH))
    body = f'{{"events":[{events}]}}'
    return (
        f"POST /billing/usage/events HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {order['token']}\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def _copy(place: Installation, tenant_id: UUID, options: argparse.Namespace) -> float:
    """Rows a second that one connection copies into an empty twin: the best of three times 200,000."""
    with psycopg.connect(place.postgres.admin_url("cloudbill"), autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS twin")
        connection.execute("CREATE TABLE twin (LIKE usage_events INCLUDING DEFAULTS INCLUDING CONSTRAINTS)")
        connection.execute("ALTER TABLE twin ADD PRIMARY KEY (tenant_id, id, occurred_at)")
        connection.execute("ALTER TABLE twin ADD UNIQUE (tenant_id, idempotency_key)")
        connection.execute("CREATE INDEX ON twin (tenant_id, occurred_at, id) WHERE outcome <> 'metered'")
        connection.execute("CREATE INDEX ON twin (tenant_id, customer_id, occurred_at) WHERE outcome = 'metered'")
        connection.execute("CREATE INDEX ON twin USING brin (tenant_id, occurred_at) WITH (pages_per_range = 32)")
        customers = [str(uuid_utils.uuid7()) for _ in range(options.customers)]
        at = datetime.now(UTC).isoformat()
        best = 0.0
        for turn in range(3):
            lines = io.StringIO()
            count = 200 * BATCH
            for number in range(count):
                event = json.loads(_event(f"copy{turn}", number, options.customers, at))
                lines.write(
                    f"{tenant_id}\t{uuid_utils.uuid7()}\t{at}\t{customers[number % options.customers]}\t"
                    f"{event['idempotencyKey']}\tmetered\tapi_call\t{json.dumps(event['properties'])}\n"
                )
            content = lines.getvalue().encode()
            begin = time.perf_counter()
            with (
                connection.cursor() as cursor,
                cursor.copy(
                    "COPY twin (tenant_id, id, occurred_at, customer_id, idempotency_key, outcome, event_name, "
                    "properties) FROM STDIN"
                ) as copy,
            ):
                copy.write(content)
            best = max(best, count / (time.perf_counter() - begin))
        connection.execute("DROP TABLE twin")
    return best


def _fill(place: Installation, tenant_id: UUID, rows: int) -> None:
    """Stored events and their keys of the month so far, written past triggers and policies; no aggregates."""
    with psycopg.connect(place.postgres.admin_url("cloudbill"), autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("SET synchronous_commit = off")
        for first in range(0, rows, 1_000_000):
            connection.execute(_FILL, {"tenant": tenant_id, "first": first, "last": min(first + 1_000_000, rows) - 1})
        connection.execute("VACUUM ANALYZE usage_events")
        connection.execute("VACUUM ANALYZE usage_keys")
        connection.execute("CHECKPOINT")


_FILL = """
WITH made AS MATERIALIZED (
    SELECT n, uuidv7() AS id, 'filled-' || n AS key,
           now() - interval '2 hours' - make_interval(secs => (20000000 - n) / 20.0) AS at
    FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n
), customers_of AS MATERIALIZED (
    SELECT row_number() OVER () - 1 AS number, id, count(*) OVER () AS all_of_them
    FROM customers WHERE tenant_id = %(tenant)s AND NOT is_self
), stored AS (
    INSERT INTO usage_events (tenant_id, id, occurred_at, customer_id, idempotency_key, outcome, event_name, properties)
    SELECT %(tenant)s, m.id, m.at, c.id, m.key, 'metered', 'api_call',
           jsonb_build_object('region', 'eu', 'bytes', m.n %% 5000, 'tier', 'fast', 'path', '/v1/things')
    FROM made m JOIN customers_of c ON c.number = m.n %% c.all_of_them
)
INSERT INTO usage_keys (tenant_id, key, input_hash, event_id, event_occurred_at, is_metered)
SELECT %(tenant)s, key, sha256(key::bytea), id, at, true FROM made
"""


def _query(place: Installation, caller: str, name: str) -> Result:
    """A customer's current usage, one question after the other, each by another customer and meter."""
    random.seed(7)
    connection = socket.create_connection(("127.0.0.1", place.port))
    latencies: list[float] = []
    for number in range(600):
        path = f"/billing/usage?meter={METERS[number % 3]['code']}&externalId=customer-{random.randrange(100)}"
        begin = time.perf_counter()
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {caller}\r\n\r\n".encode())
        answer = b""
        while b"\r\n\r\n" not in answer or not answer.endswith(b"}"):
            answer += connection.recv(65536)
        if answer[9:12] != b"200":
            raise SystemExit(answer.decode())
        if number >= 100:
            latencies.append(time.perf_counter() - begin)
    connection.close()
    return Result(
        f"current usage, {name}",
        len(latencies) / sum(latencies),
        _percentile(latencies, 0.5),
        _percentile(latencies, 0.99),
    )


def _percentile(latencies: list[float], share: float) -> float:
    ordered = sorted(latencies)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000


async def _verify(place: Installation, tenant_id: UUID) -> None:
    """What was accepted over HTTP is stored and counted: the hours that batches wrote to, counted anew."""
    database = Database(place.settings)
    with psycopg.connect(place.postgres.admin_url("cloudbill")) as connection:
        hours = connection.execute("SELECT extract(epoch FROM bucket)::bigint / 3600 FROM usage_touched").fetchall()
        wrong = connection.execute(
            "SELECT count(*) FROM usage_events e LEFT JOIN usage_keys k ON k.tenant_id = e.tenant_id "
            "AND k.key = e.idempotency_key AND k.event_id = e.id WHERE k.key IS NULL"
        ).fetchone()
    for (hour,) in hours:
        checked = await check_hour(database, tenant_id, hour)
        if checked.differing or checked.accepted != checked.aggregated:
            raise SystemExit(f"hour {hour}: {checked}")
        print(f"hour {hour}: {checked.accepted:,} countings, as aggregated", file=sys.stderr)
    await database.dispose()
    if wrong != (0,):
        raise SystemExit(f"{wrong} events have no key of their own")


def _tenant(place: Installation) -> UUID:
    with psycopg.connect(place.postgres.admin_url("cloudbill")) as connection:
        row = connection.execute("SELECT id FROM tenants WHERE slug = 'bench'").fetchone()
    assert row
    return row[0]


def ask(port: int, token: str, method: str, path: str, body: object) -> None:
    import urllib.request

    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}",
        data=json.dumps(body).encode(),
        method=method,
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    urllib.request.urlopen(request, timeout=10).read()


if __name__ == "__main__":
    main()
