"""The chain itself: blocks recomputed from their rows, nothing unsealed for long, and the signed heads."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from core.billing.ledger.blocks import read_transactions
from core.billing.ledger.chain import DIGEST_BYTES, NO_HASH, Block, block_hash, transaction_digest
from core.billing.ledger.heads import Head
from core.billing.ledger.verification.findings import Finding, stream


@dataclass(slots=True)
class ChainSeen:
    """How far the check came: it is held against the signed head."""

    blocks: int = 0
    transactions: int = 0


async def check_chain(
    connection: psycopg.AsyncConnection[Any], tenant_id: UUID, tenant: str, head: Head | None, seen: ChainSeen
) -> AsyncIterator[Finding]:
    """Blocks in order, each with its transactions; then the head; then what no block lists, or two do.

    `head` must have been read before the connection's snapshot was taken: a head is written after its blocks.
    """
    async for finding in _check_blocks(connection, tenant_id, tenant, head, seen):
        yield finding
    if head is not None and head.number > seen.blocks:
        what = "the whole chain is" if seen.blocks == 0 else f"the blocks after {seen.blocks} are"
        yield Finding(
            tenant, "head", f"block {head.number}", f"was signed at {head.sealed_at:%Y-%m-%dT%H:%M:%SZ}; {what} gone"
        )
    async for row, detail in stream(connection, _UNSEALED, tenant_id):
        yield Finding(tenant, "unsealed", row, detail)
    async for row, detail in stream(connection, _SEALED_TWICE, tenant_id):
        yield Finding(tenant, "sealed_twice", row, detail)


async def _check_blocks(
    connection: psycopg.AsyncConnection[Any], tenant_id: UUID, tenant: str, head: Head | None, seen: ChainSeen
) -> AsyncIterator[Finding]:
    previous_hash, expected = NO_HASH, 1
    async for block in stream(connection, _BLOCKS, tenant_id, row_factory=class_row(Block)):
        name = f"block {block.number}"
        if block.number != expected:
            yield Finding(tenant, "block_number", name, f"follows block {expected - 1}: what was between them is gone")
        elif block.previous_hash != previous_hash:
            yield Finding(tenant, "block_link", name, f"does not name the hash of block {expected - 1}")
        async for finding in _check_contents(connection, tenant, block):
            yield finding
        recomputed = block_hash(
            tenant_id=tenant_id,
            number=block.number,
            previous_hash=block.previous_hash,
            sealed_at=block.sealed_at,
            transaction_ids=block.transaction_ids,
            digests=block.digests,
        )
        if recomputed != block.hash:
            yield Finding(tenant, "block_hash", name, "was rewritten: its hash is not that of its contents")
        if head is not None and block.number == head.number and block.hash != head.hash:
            yield Finding(tenant, "head", name, "was rewritten: it is not the block whose head was signed")
        previous_hash, expected = block.hash, block.number + 1
        seen.blocks = block.number
        seen.transactions += len(block.transaction_ids)
        if head is not None and block.number == head.number and seen.transactions != head.transactions:
            detail = f"the head was signed over {head.transactions} transactions; the blocks list {seen.transactions}"
            yield Finding(tenant, "head", name, detail)


async def _check_contents(
    connection: psycopg.AsyncConnection[Any], tenant: str, block: Block
) -> AsyncIterator[Finding]:
    contents = await read_transactions(connection, block.tenant_id, block.transaction_ids)
    for place, transaction_id in enumerate(block.transaction_ids):
        transaction = contents.get(transaction_id)
        name = f"transaction {transaction_id}"
        if transaction is None:
            yield Finding(tenant, "transaction_gone", name, f"is listed by block {block.number} and is gone")
        elif transaction_digest(transaction) != block.digests[place * DIGEST_BYTES : (place + 1) * DIGEST_BYTES]:
            detail = f"it, its entries or its usage event were altered after block {block.number} sealed them"
            yield Finding(tenant, "transaction_altered", name, detail)


_BLOCKS = """
SELECT tenant_id, number, previous_hash, hash, transaction_ids, digests, sealed_at
FROM ledger_blocks WHERE tenant_id = %(tenant)s ORDER BY number
"""

_UNSEALED = """
WITH sealed AS MATERIALIZED (
    SELECT unnest(transaction_ids) AS id FROM ledger_blocks WHERE tenant_id = %(tenant)s
)
SELECT 'transaction ' || t.id,
       'has been unsealed since ' || to_char(t.recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
FROM ledger_transactions t
WHERE t.tenant_id = %(tenant)s AND t.recorded_at < now() - interval '1 minute'
  AND NOT EXISTS (SELECT FROM sealed WHERE sealed.id = t.id)
"""

_SEALED_TWICE = """
SELECT 'transaction ' || id, 'is listed by blocks ' || string_agg(number::text, ', ' ORDER BY number)
FROM (SELECT number, unnest(transaction_ids) AS id FROM ledger_blocks WHERE tenant_id = %(tenant)s) AS listed
GROUP BY id HAVING count(*) > 1
"""
