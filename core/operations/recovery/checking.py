"""Whether the money in a copy is right: its ledgers and invoices recomputed, its chains held against the original's
blocks, every balance found again in the original, counts side by side.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.invoices.recomputing.recompute import Recomputed, recompute_all
from core.billing.ledger.heads import Head, Heads
from core.billing.ledger.verification.verify import Verified, verify
from core.foundation.database import Database

_AT_ONCE = 5_000
_MOST_FINDINGS = 50


@dataclass
class Checked:
    """What was found. `findings` is empty when the copy is right."""

    findings: list[str] = field(default_factory=list[str])
    tenants: int = 0
    transactions: int = 0
    blocks: int = 0
    entries: int = 0
    accounts: int = 0
    unsealed: int = 0
    """Transactions that no block held yet at that instant; nobody seals in a copy."""
    invoices: int = 0
    """Final invoices worked out anew from the copy's own events and price versions."""
    sums: dict[str, int] = field(default_factory=dict[str, int])
    """Micro-units of each currency over all entries: zero, when the books balance."""
    counts: dict[str, list[int]] = field(default_factory=dict[str, list[int]])
    """Rows of each table, in the copy and in the original, which has moved on."""

    def find(self, finding: str) -> None:
        """One more thing that is wrong; a long list is cut."""
        if len(self.findings) < _MOST_FINDINGS:
            self.findings.append(finding)


async def check(copy: Database, original: Database | None) -> Checked:
    """Reads both as the operator. Without an original, the copy is checked by itself."""
    checked = Checked()
    async with copy.reading() as session:
        for row in await session.execute(_SUMS):
            checked.sums[row.currency] = int(row.total)
            checked.entries += int(row.entries)
            if row.total:
                checked.find(f"the entries in {row.currency} sum to {row.total} micro, not to zero")
        newest = (await session.execute(_NEWEST)).all()
    await _recompute_ledgers(copy, newest, checked)
    await _recompute_invoices(copy, checked)
    if original is not None:
        await _compare_blocks(original, newest, checked)
        await _compare_balances(copy, original, checked)
        await _count(copy, original, checked)
    return checked


async def _recompute_ledgers(copy: Database, newest: Sequence[Row[Any]], checked: Checked) -> None:
    # The installation's own heads have gone on since: the copy's chains are verified up to where they end, and that
    # they end in blocks of the original is seen below.
    with tempfile.TemporaryDirectory(prefix="cloudbill-heads-") as folder:
        heads = Heads(Path(folder), [Ed25519PrivateKey.generate()])
        for row in newest:
            heads.advance(Head(row.tenant_id, row.number, bytes(row.hash), row.transactions, row.sealed_at))
        verified = Verified()
        async for finding in verify(copy, heads, verified=verified):
            if finding.check == "unsealed":
                checked.unsealed += 1
            else:
                checked.find(str(finding))
    checked.tenants, checked.transactions, checked.blocks = verified.tenants, verified.transactions, verified.blocks


async def _recompute_invoices(copy: Database, checked: Checked) -> None:
    result = Recomputed()
    async for drift in recompute_all(copy, result=result):
        checked.find(f"invoice of {drift}")
    checked.invoices = result.recomputed


async def _compare_blocks(original: Database, newest: Sequence[Row[Any]], checked: Checked) -> None:
    async with original.reading() as session:
        for row in newest:
            found = await session.scalar(_BLOCK, {"tenant": row.tenant_id, "number": row.number})
            if found is None or bytes(found) != bytes(row.hash):
                what = "is not in the original" if found is None else "is another one in the original"
                checked.find(f"tenant {row.tenant_id}: block {row.number}, the newest of the copy's chain, {what}")


async def _compare_balances(copy: Database, original: Database, checked: Checked) -> None:
    after = (UUID(int=0), UUID(int=0))
    while True:
        async with copy.reading() as session:
            some = (await session.execute(_ACCOUNTS, {"tenant": after[0], "id": after[1], "limit": _AT_ONCE})).all()
        if not some:
            return
        async with original.reading() as session:
            known = await _balances(session, some)
        for row in some:
            checked.accounts += 1
            found = known.get((row.tenant_id, row.id))
            if found != row.balance_micro:
                checked.find(
                    f"account {row.id} has {row.balance_micro} micro at version {row.version}; the original had {found}"
                )
        after = (some[-1].tenant_id, some[-1].id)


async def _balances(session: AsyncSession, accounts: Sequence[Row[Any]]) -> dict[tuple[UUID, UUID], int]:
    """What the original's accounts stood at, at the copy's versions."""
    rows = await session.execute(
        _AT_VERSION,
        {
            "tenants": [row.tenant_id for row in accounts],
            "ids": [row.id for row in accounts],
            "versions": [row.version for row in accounts],
        },
    )
    found = {(row.tenant_id, row.id): int(row.balance) for row in rows if row.balance is not None}
    return found


async def _count(copy: Database, original: Database, checked: Checked) -> None:
    async with copy.reading() as session:
        tables = (await session.execute(_TABLES)).scalars().all()
        here = {table: await _rows(session, table) for table in tables}
    async with original.reading() as session:
        there = {table: await _rows(session, table) for table in tables}
        known = set((await session.execute(_TABLES)).scalars())
    for table in sorted(known - set(tables)):
        checked.find(f"table {table} is not in the copy")
    for table in tables:
        checked.counts[table] = [here[table], there[table]]
        if here[table] > there[table] and table in _GROWING:
            checked.find(f"{table} has {here[table]} rows and only {there[table]} in the original, which never shrinks")
        if here[table] == 0 and there[table] > 0 and table == "tenants":
            checked.find("the copy has no tenants")


async def _rows(session: AsyncSession, table: str) -> int:
    quoted = '"' + table.replace('"', '""') + '"'
    return await session.scalar(text(f"SELECT count(*) FROM {quoted}")) or 0  # noqa: S608 - a name of the catalog


_GROWING = ("tenants", "ledger_transactions", "ledger_entries", "ledger_blocks", "usage_events", "audit_log")

_SUMS = text("SELECT currency, sum(amount_micro) AS total, count(*) AS entries FROM ledger_entries GROUP BY currency")
_NEWEST = text("""
SELECT DISTINCT ON (b.tenant_id) b.tenant_id, b.number, b.hash, b.sealed_at,
       (SELECT sum(cardinality(a.transaction_ids)) FROM ledger_blocks a WHERE a.tenant_id = b.tenant_id)::bigint
           AS transactions
FROM ledger_blocks b ORDER BY b.tenant_id, b.number DESC
""")
_BLOCK = text("SELECT hash FROM ledger_blocks WHERE tenant_id = :tenant AND number = :number")
_ACCOUNTS = text("""
SELECT tenant_id, id, version, balance_micro FROM accounts
WHERE (tenant_id, id) > (:tenant, :id) ORDER BY tenant_id, id LIMIT :limit
""")
_AT_VERSION = text("""
SELECT w.tenant_id, w.id, CASE WHEN w.version = 0 THEN 0 ELSE e.balance_after_micro END AS balance
FROM unnest(CAST(:tenants AS uuid[]), CAST(:ids AS uuid[]), CAST(:versions AS bigint[])) AS w (tenant_id, id, version)
JOIN accounts a ON a.tenant_id = w.tenant_id AND a.id = w.id
LEFT JOIN ledger_entries e ON e.tenant_id = w.tenant_id AND e.account_id = w.id AND e.version = w.version
""")
_TABLES = text("""
SELECT c.relname FROM pg_class c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND has_table_privilege(c.oid, 'SELECT') ORDER BY c.relname
""")
