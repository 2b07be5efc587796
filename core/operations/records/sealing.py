"""The audit log's chain: rows are sealed into blocks shortly after their commit, and all of it is verified.

The newest block of each tenant is signed into a file beside the ledger's heads, so that rows that were taken away with
the blocks that list them are missed, too. Nothing is sealed over a chain that contradicts its head: new blocks in the
place of those that are gone would have the next head signed over the gap.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.ledger.chain import NO_HASH
from core.billing.ledger.heads import Head, HeadForged, Heads
from core.billing.ledger.sealing import ChainBroken
from core.billing.ledger.signing import load_signing_keys
from core.foundation.database import Database
from core.foundation.ids import earliest_id
from core.foundation.settings import Settings
from core.foundation.telemetry import log
from core.operations.records import repository
from core.operations.records.chain import as_columns, audit_block_hash, row_digest
from core.operations.records.models import AuditBlock

BLOCK_ROWS = 1_000
_SETTLED = timedelta(seconds=2)
_LOG = log("records")


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with a tenant's audit log."""

    tenant_id: UUID
    row: str
    detail: str


def audit_heads(settings: Settings) -> Heads:
    """The signed ends of the audit logs, in a folder of their own beside the ledger's."""
    return Heads(settings.heads_path / "audit", load_signing_keys(settings))


async def seal_all(database: Database, heads: Heads, *, now: datetime) -> int:
    """Seals what was committed; how many rows. A tenant that another one is at waits for the next time.

    A tenant whose chain is broken is reported in the log and does not hold up the others.
    """
    async with database.reading() as session:
        tenants = await repository.list_tenants(session)
    done = 0
    for tenant_id in tenants:
        try:
            done += await seal_tenant(database, heads, tenant_id, now=now)
        except (ChainBroken, HeadForged) as error:
            _LOG.error("audit_chain_broken", tenant_id=str(tenant_id), error=str(error))
    return done


async def seal_tenant(database: Database, heads: Heads, tenant_id: UUID, *, now: datetime) -> int:
    """Seals a tenant's rows, in transactions of its own. Raises ChainBroken, HeadForged."""
    done = 0
    while True:
        async with database.tenant(tenant_id) as session:
            if not await repository.try_lock_chain(session, tenant_id):
                return done
            # An id of the last moments may belong to a row that is not committed yet; it is found the next time.
            until = earliest_id(now - _SETTLED)
            rows = await repository.list_unsealed(session, tenant_id, until=until, limit=BLOCK_ROWS)
            last = await repository.find_last_block(session, tenant_id)
            await _refuse_broken(session, heads, tenant_id, last)
            number, made, entries = 0, NO_HASH, 0
            if rows:
                number, previous = (last.number + 1, bytes(last.hash)) if last else (1, NO_HASH)
                ids = [row.id for row in rows]
                digests = b"".join(row_digest(tenant_id, as_columns(row)) for row in rows)
                made = audit_block_hash(
                    tenant_id, number=number, previous_hash=previous, sealed_at=now, entry_ids=ids, digests=digests
                )
                session.add(
                    AuditBlock(
                        tenant_id=tenant_id,
                        number=number,
                        previous_hash=previous,
                        hash=made,
                        entry_ids=ids,
                        digests=digests,
                        sealed_at=now,
                    )
                )
                entries = int(last.entries if last else 0) + len(rows)
        if not rows:
            if last is not None:  # a crash between commit and file is made good here
                heads.advance(Head(tenant_id, last.number, bytes(last.hash), int(last.entries), now))
            return done
        if number == 1:
            heads.begin(tenant_id, now=now)
        heads.advance(Head(tenant_id, number, made, entries, now))
        done += len(rows)


async def _refuse_broken(session: AsyncSession, heads: Heads, tenant_id: UUID, last: Row[Any] | None) -> None:
    head = heads.find(tenant_id)
    if head is None or head.number == 0:
        return  # none was signed yet, or the rows were moved here
    if last is None or head.number > last.number:
        raise ChainBroken(tenant_id, f"block {head.number} of the audit log was signed and is gone")
    signed = await repository.list_blocks(session, tenant_id, after=head.number - 1, limit=1)
    if not signed or signed[0].number != head.number or bytes(signed[0].hash) != head.hash:
        raise ChainBroken(tenant_id, f"block {head.number} of the audit log is not the one that was signed")


async def verify_all(database: Database, heads: Heads) -> AsyncIterator[Finding]:
    """What is wrong, tenant by tenant; nothing when all chains hold."""
    async with database.reading() as session:
        tenants = await repository.list_tenants(session)
    for tenant_id in sorted({*tenants, *heads.tenants()}):
        async for finding in verify_tenant(database, heads, tenant_id):
            yield finding


async def verify_tenant(database: Database, heads: Heads, tenant_id: UUID) -> AsyncIterator[Finding]:
    """Recomputes every block and every row of it."""
    number, previous = 0, NO_HASH
    hashes: dict[int, bytes] = {0: NO_HASH}
    while True:
        async with database.reading() as session:
            blocks = await repository.list_blocks(session, tenant_id, after=number, limit=20)
            if not blocks:
                break
            for block in blocks:
                name = f"block {block.number}"
                if block.number != number + 1 or bytes(block.previous_hash) != previous:
                    yield Finding(tenant_id, name, "does not follow the one before it")
                expected = audit_block_hash(
                    tenant_id,
                    number=block.number,
                    previous_hash=bytes(block.previous_hash),
                    sealed_at=block.sealed_at,
                    entry_ids=block.entry_ids,
                    digests=bytes(block.digests),
                )
                if expected != bytes(block.hash):
                    yield Finding(tenant_id, name, "was altered: its hash is not that of its rows")
                rows = await repository.read_rows(session, tenant_id, block.entry_ids)
                for place, entry_id in enumerate(block.entry_ids):
                    row = rows.get(entry_id)
                    if row is None:
                        yield Finding(tenant_id, str(entry_id), f"is gone; {name} lists it")
                    elif row_digest(tenant_id, as_columns(row)) != bytes(block.digests)[32 * place : 32 * place + 32]:
                        yield Finding(tenant_id, str(entry_id), f"was altered after {name} sealed it")
                number, previous = block.number, bytes(block.hash)
                hashes[number] = previous
    try:
        head = heads.find(tenant_id)
    except HeadForged as error:
        yield Finding(tenant_id, "head", str(error))
        return
    if head is None:
        if number:
            yield Finding(tenant_id, "head", f"{number} blocks and no signed head")
    elif hashes.get(head.number) != head.hash:
        yield Finding(tenant_id, f"block {head.number}", "was signed and is gone or another one")
