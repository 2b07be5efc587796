"""The chain's rows: blocks, transactions that no block lists yet, and all that a transaction's digest covers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString
from uuid import UUID

import orjson
import psycopg
from psycopg.rows import args_row, class_row, namedtuple_row, scalar_row
from psycopg.types.json import set_json_loads
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.ledger.chain import Block, ChainedEntry, ChainedTransaction, ChainedUsage
from core.foundation.database import driver_connection
from core.foundation.ids import earliest_id

LATE = timedelta(minutes=1)
"""How long a commit may take, and how far a host's clock may be off, before only the thorough search finds it."""

_LATEST_MILLISECOND = 253_402_214_400_000  # the last day that a datetime can hold
_BEGINNING = datetime(1970, 1, 2, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class BlockHeader:
    """A block without its contents."""

    number: int
    previous_hash: bytes
    hash: bytes
    sealed_at: datetime


@dataclass(frozen=True, slots=True)
class BlockSums:
    """How many blocks, and how many transactions they list."""

    blocks: int
    transactions: int


@dataclass(frozen=True, slots=True)
class Newest:
    """A tenant's newest transaction, and when its last block was sealed."""

    tenant_id: UUID
    transaction_id: UUID
    sealed_at: datetime | None


async def try_lock_chain(session: AsyncSession, tenant_id: UUID) -> bool:
    """Whether this transaction may seal: one sealer a tenant at a time, and none waits."""
    return bool(await _scalar(session, _TRY_LOCK, tenant_id=tenant_id))


async def database_now(session: AsyncSession) -> datetime:
    """The database's clock, which stamps `recorded_at` and `sealed_at` whatever the hosts' clocks say."""
    now: datetime = await _scalar(session, "SELECT clock_timestamp()")
    return now


async def find_last_block(session: AsyncSession, tenant_id: UUID) -> BlockHeader | None:
    """The newest block, or None before the first."""
    connection = await driver_connection(session)
    async with connection.cursor(row_factory=class_row(BlockHeader)) as cursor:
        await cursor.execute(_LAST_BLOCK, {"tenant": tenant_id})
        return await cursor.fetchone()


async def sums_after(session: AsyncSession, tenant_id: UUID, number: int) -> BlockSums:
    """Of all blocks after `number`."""
    connection = await driver_connection(session)
    async with connection.cursor(row_factory=class_row(BlockSums)) as cursor:
        await cursor.execute(_SUMS_AFTER, {"tenant": tenant_id, "number": number})
        return await cursor.fetchone() or BlockSums(0, 0)


async def find_hash(session: AsyncSession, tenant_id: UUID, number: int) -> bytes | None:
    """The hash of one block."""
    sealed: bytes | None = await _scalar(session, _HASH, tenant_id=tenant_id, number=number)
    return sealed


async def add_block(session: AsyncSession, block: Block) -> None:
    """Writes a block; it can never be changed."""
    connection = await driver_connection(session)
    await connection.execute(
        _ADD,
        {
            "tenant": block.tenant_id,
            "number": block.number,
            "previous": block.previous_hash,
            "hash": block.hash,
            "ids": block.transaction_ids,
            "digests": block.digests,
            "sealed_at": block.sealed_at,
        },
    )


async def list_newest(session: AsyncSession) -> list[Newest]:
    """Every tenant that has transactions; for the reading operator."""
    connection = await driver_connection(session)
    async with connection.cursor(row_factory=class_row(Newest)) as cursor:
        await cursor.execute(_NEWEST)
        return await cursor.fetchall()


def made_at(transaction_id: UUID) -> datetime:
    """When an id was made, by its host's clock, to the millisecond."""
    return datetime.fromtimestamp(min(transaction_id.int >> 80, _LATEST_MILLISECOND) / 1000, tz=UTC)


async def list_unsealed(
    session: AsyncSession, tenant_id: UUID, *, now: datetime, thorough: bool, limit: int
) -> list[UUID]:
    """Committed transactions that no block lists, oldest id first.

    Ids are UUIDv7, so only those from shortly before the newest sealed one are looked at; `thorough` looks at all.
    An id more than `LATE` ahead of the database's clock waits: that bounds which blocks may list an id of the window.
    """
    newest: UUID | None = await _scalar(session, _NEWEST_SEALED, tenant_id=tenant_id)
    since_at = _BEGINNING if thorough or newest is None else made_at(newest) - LATE
    connection = await driver_connection(session)
    async with connection.cursor(row_factory=scalar_row) as cursor:
        await cursor.execute(
            _UNSEALED,
            {
                "tenant": tenant_id,
                "since": earliest_id(since_at),
                "until": earliest_id(now + LATE),
                "sealed_since": since_at - LATE,
                "limit": limit,
            },
            prepare=False,
        )
        return await cursor.fetchall()


async def count_unsealed(session: AsyncSession, tenant_id: UUID, *, now: datetime) -> int:
    """How many transactions the next sealing would find, up to 10,000."""
    return len(await list_unsealed(session, tenant_id, now=now, thorough=False, limit=10_000))


async def read_transactions(
    connection: psycopg.AsyncConnection[Any], tenant_id: UUID, ids: Sequence[UUID]
) -> dict[UUID, ChainedTransaction]:
    """These transactions with all that their digests cover; those that do not exist are missing.

    Planned anew each time: a plan kept from when the tables were small reads all that a tenant has.
    """
    where = {"tenant": tenant_id, "ids": list(ids)}
    async with connection.cursor(row_factory=args_row(ChainedEntry)) as cursor:
        await cursor.execute(_ENTRIES, where, prepare=False)
        entries: dict[UUID, list[ChainedEntry]] = {}
        for entry in await cursor.fetchall():
            entries.setdefault(entry.transaction_id, []).append(entry)
    async with connection.cursor(row_factory=namedtuple_row) as cursor:
        await cursor.execute(_TRANSACTIONS, where, prepare=False)
        rows: list[Any] = await cursor.fetchall()
    usage = await _read_usage(connection, tenant_id, rows)
    return {
        row.id: ChainedTransaction(
            tenant_id=tenant_id,
            id=row.id,
            kind=row.kind,
            reference=row.reference,
            occurred_at=row.occurred_at,
            recorded_at=row.recorded_at,
            entries=tuple(entries.get(row.id, ())),
            usage=usage.get(row.id),
        )
        for row in rows
    }


async def _read_usage(
    connection: psycopg.AsyncConnection[Any], tenant_id: UUID, transactions: Iterable[Any]
) -> dict[UUID, ChainedUsage]:
    settled = [row for row in transactions if row.event_id is not None]
    if not settled:
        return {}
    instants = [row.event_occurred_at for row in settled]
    async with connection.cursor(row_factory=args_row(ChainedUsage)) as cursor:
        set_json_loads(orjson.loads, cursor)
        # The bounds let PostgreSQL leave out the partitions of all other months.
        await cursor.execute(
            _USAGE,
            {
                "tenant": tenant_id,
                "ids": [row.event_id for row in settled],
                "first": min(instants),
                "last": max(instants),
            },
            prepare=False,
        )
        return {usage.transaction_id: usage for usage in await cursor.fetchall()}


async def _scalar(
    session: AsyncSession, query: LiteralString, *, tenant_id: UUID | None = None, number: int = 0
) -> Any:
    connection = await driver_connection(session)
    async with connection.cursor(row_factory=scalar_row) as cursor:
        await cursor.execute(query, {"tenant": tenant_id, "number": number})
        return await cursor.fetchone()


_TRY_LOCK = "SELECT pg_try_advisory_xact_lock(hashtext('ledger chain'), hashtext(%(tenant)s::text))"

# One probe of an index for each, however long the tenants' ledgers are.
_NEWEST = """
SELECT t.id AS tenant_id, newest.id AS transaction_id, last.sealed_at
FROM tenants t
CROSS JOIN LATERAL (
    SELECT id FROM ledger_transactions WHERE tenant_id = t.id ORDER BY id DESC LIMIT 1
) AS newest
LEFT JOIN LATERAL (
    SELECT sealed_at FROM ledger_blocks WHERE tenant_id = t.id ORDER BY number DESC LIMIT 1
) AS last ON true
ORDER BY t.id
"""

_LAST_BLOCK = """
SELECT number, previous_hash, hash, sealed_at FROM ledger_blocks
WHERE tenant_id = %(tenant)s ORDER BY number DESC LIMIT 1
"""

_SUMS_AFTER = """
SELECT count(*) AS blocks, coalesce(sum(cardinality(transaction_ids)), 0)::bigint AS transactions
FROM ledger_blocks WHERE tenant_id = %(tenant)s AND number > %(number)s
"""

_HASH = "SELECT hash FROM ledger_blocks WHERE tenant_id = %(tenant)s AND number = %(number)s"

_ADD = """
INSERT INTO ledger_blocks (tenant_id, number, previous_hash, hash, transaction_ids, digests, sealed_at)
VALUES (%(tenant)s, %(number)s, %(previous)s, %(hash)s, %(ids)s, %(digests)s, %(sealed_at)s)
"""

# Blocks list their ids in order. A block of late commits ends with an old id, hence a look at several.
_NEWEST_SEALED = """
SELECT newest FROM (
    SELECT transaction_ids[cardinality(transaction_ids)] AS newest FROM ledger_blocks
    WHERE tenant_id = %(tenant)s ORDER BY number DESC LIMIT 10
) AS recent ORDER BY newest DESC LIMIT 1
"""

# EXCEPT compares by hash or sort however many there are; an anti-join planned on old figures may be quadratic.
_UNSEALED = """
SELECT id FROM ledger_transactions WHERE tenant_id = %(tenant)s AND id >= %(since)s AND id < %(until)s
EXCEPT
SELECT unnest(transaction_ids) FROM ledger_blocks WHERE tenant_id = %(tenant)s AND sealed_at >= %(sealed_since)s
ORDER BY id LIMIT %(limit)s
"""

_TRANSACTIONS = """
SELECT t.id, t.kind, t.reference, t.occurred_at, t.recorded_at, k.event_id, k.event_occurred_at
FROM ledger_transactions t
LEFT JOIN usage_keys k ON k.tenant_id = t.tenant_id AND k.transaction_id = t.id
WHERE t.tenant_id = %(tenant)s AND t.id = ANY(%(ids)s)
"""

_ENTRIES = """
SELECT e.transaction_id, e.account_id, a.customer_id, a.kind, e.version, e.amount_micro, e.balance_after_micro,
       e.currency
FROM ledger_entries e
JOIN accounts a ON a.tenant_id = e.tenant_id AND a.id = e.account_id
WHERE e.tenant_id = %(tenant)s AND e.transaction_id = ANY(%(ids)s)
ORDER BY e.account_id, e.version
"""

_USAGE = """
SELECT transaction_id, id AS event_id, idempotency_key AS key, customer_id, occurred_at, model, input_tokens,
       cached_tokens, output_tokens, amount_micro, currency, price_book_version, arithmetic
FROM usage_events
WHERE tenant_id = %(tenant)s AND id = ANY(%(ids)s) AND occurred_at BETWEEN %(first)s AND %(last)s
  AND transaction_id IS NOT NULL
"""
