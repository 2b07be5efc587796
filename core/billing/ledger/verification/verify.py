"""Recomputes a ledger from its rows and holds it against the heads that were signed outside the database.

Reads as the operator, each tenant in one snapshot, beside running writers; in memory is a block at a time.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text

from core.billing.ledger.heads import Head, HeadForged, Heads
from core.billing.ledger.verification.chain import ChainSeen, check_chain
from core.billing.ledger.verification.charges import check_charges
from core.billing.ledger.verification.findings import Finding
from core.billing.ledger.verification.rows import check_rows
from core.foundation.database import Database, driver_connection
from core.foundation.errors import NotFound


@dataclass(slots=True)
class Verified:
    """What was looked at."""

    tenants: int = 0
    blocks: int = 0
    transactions: int = 0
    findings: int = 0


async def verify(
    database: Database, heads: Heads, *, slug: str | None = None, verified: Verified | None = None
) -> AsyncIterator[Finding]:
    """All that is wrong, in one tenant or in all, as it is found; nothing when all is well.

    Raises NotFound when no tenant, and no head, goes by that slug. `verified` counts along.
    """
    verified = verified or Verified()
    # Before the tenants are read: a tenant that is made meanwhile must not look like one whose rows are gone.
    with_heads = heads.tenants()
    tenants = await _list_tenants(database)
    if slug is not None:
        tenants = {tenant_id: name for tenant_id, name in tenants.items() if slug in (name, str(tenant_id))}
        with_heads = {tenant_id for tenant_id in with_heads if str(tenant_id) == slug or tenant_id in tenants}
        if not tenants and not with_heads:
            raise NotFound(f"There is no tenant {slug}.")
    for tenant_id, name in {**{gone: str(gone) for gone in with_heads}, **tenants}.items():
        verified.tenants += 1
        async for finding in _verify_tenant(database, heads, tenant_id, name, verified):
            verified.findings += 1
            yield finding


async def _verify_tenant(
    database: Database, heads: Heads, tenant_id: UUID, name: str, verified: Verified
) -> AsyncIterator[Finding]:
    head: Head | None = None
    try:
        head = heads.find(tenant_id)
        has_file = head is not None
    except HeadForged as forged:
        has_file = True
        yield Finding(name, "head_forged", "head", str(forged))
    seen = ChainSeen()
    async with database.reading() as session:
        await session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
        connection = await driver_connection(session)
        async for finding in check_chain(connection, tenant_id, name, head, seen):
            yield finding
        if seen.blocks and not has_file:
            yield Finding(name, "head", "head", f"the chain has {seen.blocks} blocks and no signed head file")
        async for finding in check_rows(connection, tenant_id, name):
            yield finding
        async for finding in check_charges(connection, tenant_id, name):
            yield finding
    verified.blocks += seen.blocks
    verified.transactions += seen.transactions


async def _list_tenants(database: Database) -> dict[UUID, str]:
    async with database.reading() as session:
        rows = await session.execute(
            text(
                "SELECT tenant_id, coalesce(t.slug, tenant_id::text) AS name "
                "FROM (SELECT id AS tenant_id FROM tenants UNION SELECT tenant_id FROM accounts "
                "      UNION SELECT tenant_id FROM ledger_blocks) AS named "
                "LEFT JOIN tenants t ON t.id = tenant_id ORDER BY name"
            )
        )
        return {row.tenant_id: row.name for row in rows}
