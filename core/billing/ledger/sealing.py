"""Sealing: committed transactions are chained into blocks, some seconds after the fact, and no writer waits for it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.ledger import blocks
from core.billing.ledger.blocks import BlockHeader, Newest
from core.billing.ledger.chain import NO_HASH, next_block
from core.billing.ledger.heads import Head, HeadForged, Heads
from core.foundation.database import Database, driver_connection

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

BLOCK_TRANSACTIONS = 1_000
"""The most that one block lists."""

PASS_TRANSACTIONS = 10_000
"""The most that one database transaction seals."""

RECENT = timedelta(minutes=30)
"""How long after its newest transaction a tenant is still looked at every few seconds."""


class ChainBroken(Exception):
    """Database and signed head contradict each other: nothing is sealed over it, and `ledger verify` says more."""

    def __init__(self, tenant_id: UUID, what: str) -> None:
        super().__init__(f"tenant {tenant_id}: {what}")
        self.tenant_id = tenant_id


@dataclass(frozen=True, slots=True)
class Sealed:
    """What one sealing did."""

    blocks: int
    transactions: int


async def seal_tenant(database: Database, heads: Heads, tenant_id: UUID, *, thorough: bool = False) -> Sealed:
    """Seals all that is committed, in transactions of its own; nothing while another sealer is at this tenant.

    `thorough` compares with all blocks and so finds commits that came minutes late. Raises ChainBroken and
    heads.HeadForged.
    """
    block_count = transaction_count = 0
    while True:
        async with database.tenant(tenant_id) as session:
            done = await _seal_some(session, heads, tenant_id, thorough=thorough)
        if done is None:
            break
        # After the commit: a head is never ahead of the database, and one that stayed behind catches up next time.
        heads.advance(done.head)
        block_count += done.blocks
        transaction_count += done.transactions
        if done.transactions < PASS_TRANSACTIONS:
            break
    return Sealed(block_count, transaction_count)


async def seal_all(database: Database, heads: Heads, *, thorough: bool = False) -> Sealed:
    """Seals every tenant that may have something unsealed; `thorough` looks at all tenants and all their rows.

    A tenant whose chain is broken is reported in the log and does not hold up the others.
    """
    block_count = transaction_count = 0
    async with database.reading() as session:
        now = await blocks.database_now(session)
        newest = await blocks.list_newest(session)
    for tenant in newest:
        if not thorough and not _may_have_unsealed(tenant, now):
            continue
        try:
            sealed = await seal_tenant(database, heads, tenant.tenant_id, thorough=thorough)
        except (ChainBroken, HeadForged) as error:
            _log.error("ledger.chain_broken", tenant_id=str(tenant.tenant_id), error=str(error))
            continue
        block_count += sealed.blocks
        transaction_count += sealed.transactions
    return Sealed(block_count, transaction_count)


def _may_have_unsealed(tenant: Newest, now: datetime) -> bool:
    made_at = blocks.made_at(tenant.transaction_id)
    return tenant.sealed_at is None or made_at > tenant.sealed_at or made_at > now - RECENT


@dataclass(frozen=True, slots=True)
class _Pass:
    head: Head
    blocks: int
    transactions: int


async def _seal_some(session: AsyncSession, heads: Heads, tenant_id: UUID, *, thorough: bool) -> _Pass | None:
    if not await blocks.try_lock_chain(session, tenant_id):
        return None
    now = await blocks.database_now(session)
    last = await blocks.find_last_block(session, tenant_id)
    head = await _caught_up(session, heads, tenant_id, last)
    ids = await blocks.list_unsealed(session, tenant_id, now=now, thorough=thorough, limit=PASS_TRANSACTIONS)
    if not ids:
        return None if head is None else _Pass(head, 0, 0)
    head = head or heads.begin(tenant_id, now=now)

    number, previous_hash = (last.number, last.hash) if last else (0, NO_HASH)
    connection = await driver_connection(session)
    first = number
    for start in range(0, len(ids), BLOCK_TRANSACTIONS):
        some = ids[start : start + BLOCK_TRANSACTIONS]
        contents = await blocks.read_transactions(connection, tenant_id, some)
        block = next_block(
            tenant_id,
            [contents[transaction_id] for transaction_id in some],
            number=number + 1,
            previous_hash=previous_hash,
            sealed_at=now,
        )
        await blocks.add_block(session, block)
        number, previous_hash = block.number, block.hash
    return _Pass(Head(tenant_id, number, previous_hash, head.transactions + len(ids), now), number - first, len(ids))


async def _caught_up(session: AsyncSession, heads: Heads, tenant_id: UUID, last: BlockHeader | None) -> Head | None:
    """The signed head, moved up to blocks that were committed just before a crash; None before the first block."""
    head = heads.find(tenant_id)
    if head is None:
        if last is not None:
            raise ChainBroken(tenant_id, f"its chain has {last.number} blocks and no head file")
        return None
    if head.number > (last.number if last else 0):
        raise ChainBroken(tenant_id, f"block {head.number} was signed and is gone")
    if last is None:
        return head
    if head.number and await blocks.find_hash(session, tenant_id, head.number) != head.hash:
        raise ChainBroken(tenant_id, f"block {head.number} is not the one that was signed")
    newer = await blocks.sums_after(session, tenant_id, head.number)
    if newer.blocks != last.number - head.number:
        raise ChainBroken(tenant_id, f"blocks are missing after block {head.number}")
    return Head(tenant_id, last.number, last.hash, head.transactions + newer.transactions, last.sealed_at)
