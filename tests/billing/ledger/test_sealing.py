"""Sealing lists each committed transaction once, in blocks that chain, and signs over no chain that was touched."""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from core.billing.ledger import blocks, sealing
from core.billing.ledger.chain import NO_HASH
from core.billing.ledger.heads import HeadForged, Heads
from core.billing.ledger.sealing import ChainBroken, seal_all, seal_tenant
from core.billing.ledger.signing import load_signing_keys, signing_key_path
from core.foundation.database import Database
from core.foundation.ids import earliest_id
from core.foundation.settings import Settings, SettingsInvalid
from tests.support.books import open_books
from tests.support.servers import Role

Connect = Callable[[Role], Awaitable[psycopg.AsyncConnection[Any]]]


@pytest.fixture
def heads(settings: Settings) -> Heads:
    return Heads(settings.heads_path, load_signing_keys(settings))


async def _sealed_ids(database: Database, tenant_id: Any) -> list[Any]:
    async with database.reading() as session:
        rows = await session.execute(
            text("SELECT unnest(transaction_ids) FROM ledger_blocks WHERE tenant_id = :t ORDER BY number"),
            {"t": tenant_id},
        )
        return list(rows.scalars())


async def test_each_transaction_is_in_one_block_and_blocks_chain(
    database: Database, heads: Heads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing, "BLOCK_TRANSACTIONS", 2)
    monkeypatch.setattr(sealing, "PASS_TRANSACTIONS", 4)
    books = await open_books(database)
    posted = [await books.top_up(5_000_000)] + [await books.charge() for _ in range(6)]

    sealed = await seal_tenant(database, heads, books.tenant_id)

    assert (sealed.blocks, sealed.transactions) == (4, 7)
    assert await _sealed_ids(database, books.tenant_id) == posted
    async with database.reading() as session:
        rows = (
            await session.execute(text("SELECT number, previous_hash, hash FROM ledger_blocks ORDER BY number"))
        ).all()
    assert [row.number for row in rows] == [1, 2, 3, 4]
    assert [row.previous_hash for row in rows] == [NO_HASH, *(row.hash for row in rows[:-1])]
    head = heads.find(books.tenant_id)
    assert head
    assert (head.number, head.hash, head.transactions) == (4, rows[-1].hash, 7)
    assert await seal_tenant(database, heads, books.tenant_id) == sealing.Sealed(0, 0)


async def test_a_commit_that_comes_late_is_sealed_later(database: Database, heads: Heads) -> None:
    books, slow = await open_books(database), await open_books(database, "slow")
    await books.top_up(5_000_000)
    await slow.top_up(5_000_000)
    async with database.tenant(slow.tenant_id) as session:
        late = await slow.charge_in(session, output_tokens=5)
        # Another account's transaction of the same tenant is made later, commits earlier and is sealed.
        await slow.adjust(earliest_id(datetime.now(UTC) + timedelta(seconds=2)))
        assert (await seal_all(database, heads)).transactions == 3
    assert (await seal_all(database, heads)).transactions == 1
    assert (await _sealed_ids(database, slow.tenant_id))[-1] == late


async def test_an_id_from_a_slow_clock_is_found_by_the_thorough_search(database: Database, heads: Heads) -> None:
    books = await open_books(database)
    await books.top_up(5_000_000)
    await seal_tenant(database, heads, books.tenant_id)
    old = earliest_id(datetime.now(UTC) - timedelta(hours=1))
    ahead = earliest_id(datetime.now(UTC) + timedelta(hours=1))
    for made in (old, ahead):
        await books.adjust(made)
    assert (await seal_all(database, heads)).transactions == 0
    assert (await seal_all(database, heads, thorough=True)).transactions == 1
    assert (await _sealed_ids(database, books.tenant_id))[-1] == old
    # The block of the old one does not make later searches start over, nor seal anything twice.
    newest = await books.charge()
    assert (await seal_all(database, heads)).transactions == 1
    assert (await _sealed_ids(database, books.tenant_id))[-1] == newest


async def test_two_sealers_never_seal_a_transaction_twice(database: Database, heads: Heads) -> None:
    books = await open_books(database)
    await books.top_up(5_000_000)
    for _ in range(5):
        await books.charge()
        await asyncio.gather(*(seal_tenant(database, heads, books.tenant_id) for _ in range(4)))
    await seal_tenant(database, heads, books.tenant_id)
    ids = await _sealed_ids(database, books.tenant_id)
    assert len(ids) == len(set(ids)) == 6


async def test_a_crash_before_the_head_was_written_is_made_up_for(database: Database, heads: Heads) -> None:
    books = await open_books(database)
    await books.top_up(5_000_000)
    await seal_tenant(database, heads, books.tenant_id)
    before = (heads.folder / f"{books.tenant_id}.head").read_bytes()
    await books.charge()
    await seal_tenant(database, heads, books.tenant_id)
    (heads.folder / f"{books.tenant_id}.head").write_bytes(before)

    assert await seal_tenant(database, heads, books.tenant_id) == sealing.Sealed(0, 0)

    head = heads.find(books.tenant_id)
    assert head
    assert (head.number, head.transactions) == (2, 2)


@pytest.mark.parametrize(
    ("tampering", "what"),
    [
        ("DELETE FROM ledger_blocks WHERE number = 2", "block 2 was signed and is gone"),
        ("DELETE FROM ledger_blocks", "block 2 was signed and is gone"),
        ("UPDATE ledger_blocks SET hash = sha256('x') WHERE number = 2", "block 2 is not the one that was signed"),
    ],
)
async def test_nothing_is_sealed_over_a_chain_that_was_touched(
    database: Database, heads: Heads, connect: Connect, tampering: str, what: str
) -> None:
    books = await open_books(database)
    await books.top_up(5_000_000)
    await seal_tenant(database, heads, books.tenant_id)
    await books.charge()
    await seal_tenant(database, heads, books.tenant_id)
    await books.charge()
    admin = await connect("admin")
    await admin.execute("SET session_replication_role = replica")
    await admin.execute(tampering)
    await admin.commit()

    with pytest.raises(ChainBroken, match=what):
        await seal_tenant(database, heads, books.tenant_id)
    # Others are sealed all the same.
    other = await open_books(database, "other")
    await other.top_up(1)
    assert (await seal_all(database, heads)).transactions == 1


async def test_a_chain_without_a_head_file_is_not_continued(database: Database, heads: Heads) -> None:
    books = await open_books(database)
    await books.top_up(5_000_000)
    await seal_tenant(database, heads, books.tenant_id)
    (heads.folder / f"{books.tenant_id}.head").unlink()
    await books.charge()
    with pytest.raises(ChainBroken, match="1 blocks and no head file"):
        await seal_tenant(database, heads, books.tenant_id)


async def test_a_head_of_another_key_or_another_tenant_is_forged(
    database: Database, heads: Heads, settings: Settings
) -> None:
    books, other = await open_books(database), await open_books(database, "other")
    await books.top_up(1)
    await seal_tenant(database, heads, books.tenant_id)
    mine = heads.folder / f"{books.tenant_id}.head"
    signed = mine.read_bytes()

    changed = json.loads(signed)
    changed["number"] = "7"
    mine.write_text(json.dumps(changed))
    with pytest.raises(HeadForged, match="does not carry our signature"):
        heads.find(books.tenant_id)
    (heads.folder / f"{other.tenant_id}.head").write_bytes(signed)
    with pytest.raises(HeadForged, match="another tenant's head"):
        heads.find(other.tenant_id)
    mine.write_bytes(b"")
    with pytest.raises(HeadForged):
        heads.find(books.tenant_id)


def test_the_signing_key_is_private_and_its_loss_is_not_covered_up(settings: Settings) -> None:
    first = load_signing_keys(settings)[0]
    path = signing_key_path(settings)
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_signing_keys(settings)[0].private_bytes_raw() == first.private_bytes_raw()
    settings.heads_path.mkdir(exist_ok=True)
    (settings.heads_path / "x.head").touch()
    path.unlink()
    with pytest.raises(SettingsInvalid, match="is gone"):
        load_signing_keys(settings)


async def test_a_stranger_can_recompute_a_block_from_the_rows(
    database: Database, heads: Heads, connect: Connect
) -> None:
    """Everything below is what docs/ledger-chain.md says, without a line of ours."""
    books = await open_books(database)
    await books.top_up(5_000_000)
    await books.charge(output_tokens=750)
    await seal_tenant(database, heads, books.tenant_id)

    admin = await connect("admin")

    async def rows(query: str, *values: Any) -> list[Any]:
        return await (await admin.execute(query, values)).fetchall()

    def instant(at: datetime) -> str:
        return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    [(number, previous, sealed, ids, sealed_at)] = await rows(
        "SELECT number, previous_hash, hash, transaction_ids, sealed_at FROM ledger_blocks"
    )
    parts = [b"cloudbill ledger block 1\n", books.tenant_id.bytes, number.to_bytes(8, "big"), previous]
    microseconds = (sealed_at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    parts += [microseconds.to_bytes(8, "big"), len(ids).to_bytes(8, "big")]
    for transaction_id in ids:
        [(kind, reference, occurred_at, recorded_at)] = await rows(
            "SELECT kind, reference, occurred_at, recorded_at FROM ledger_transactions WHERE id = %s", transaction_id
        )
        entries = await rows(
            "SELECT e.account_id, e.amount_micro, e.balance_after_micro, e.currency, a.customer_id, a.kind, e.version "
            "FROM ledger_entries e JOIN accounts a ON a.id = e.account_id WHERE transaction_id = %s "
            "ORDER BY e.account_id, e.version",
            transaction_id,
        )
        names = ("account", "amountMicro", "balanceAfterMicro", "currency", "customer", "kind", "version")
        usage = None
        for event in await rows("SELECT * FROM usage_events WHERE transaction_id = %s", transaction_id):
            columns = [
                column.name for column in (await admin.execute("SELECT * FROM usage_events LIMIT 0")).description or ()
            ]
            row = dict(zip(columns, event, strict=True))
            usage = {
                "amountMicro": str(row["amount_micro"]),
                "arithmetic": row["arithmetic"],
                "cachedTokens": str(row["cached_tokens"]),
                "currency": row["currency"],
                "customer": str(row["customer_id"]),
                "event": str(row["id"]),
                "inputTokens": str(row["input_tokens"]),
                "key": hashlib.sha256(row["idempotency_key"].encode()).hexdigest(),
                "model": row["model"],
                "occurredAt": instant(row["occurred_at"]),
                "outputTokens": str(row["output_tokens"]),
                "priceBookVersion": str(row["price_book_version"]),
            }
        document = {
            "entries": [dict(zip(names, map(str, entry), strict=True)) for entry in entries],
            "id": str(transaction_id),
            "kind": kind,
            "occurredAt": instant(occurred_at),
            "recordedAt": instant(recorded_at),
            "reference": reference,
            "tenant": str(books.tenant_id),
            "usage": usage,
        }
        canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        parts += [transaction_id.bytes, hashlib.sha256(canonical).digest()]
    assert hashlib.sha256(b"".join(parts)).digest() == sealed


async def test_the_api_counts_what_is_not_sealed_yet(database: Database, heads: Heads) -> None:
    books = await open_books(database)
    await books.top_up(5_000_000)
    await seal_tenant(database, heads, books.tenant_id)
    await books.charge()
    await books.charge()
    async with database.reading() as session:
        now = await blocks.database_now(session)
        assert await blocks.count_unsealed(session, books.tenant_id, now=now) == 2
