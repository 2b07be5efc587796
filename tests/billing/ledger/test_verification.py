"""Verification finds whatever was changed behind the database's back, and names the tenant and the row."""

import json
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from redis.asyncio import Redis
from sqlalchemy import text

from core.billing.ledger.heads import Heads
from core.billing.ledger.sealing import seal_tenant
from core.billing.ledger.signing import load_signing_keys
from core.billing.ledger.verification import standing
from core.billing.ledger.verification.findings import Finding
from core.billing.ledger.verification.verify import Verified, verify
from core.foundation.database import Database
from core.foundation.errors import NotFound
from core.foundation.settings import Settings
from tests.support.books import Books, open_books
from tests.support.servers import Role

Connect = Callable[[Role], Awaitable[psycopg.AsyncConnection[Any]]]
Tamper = Callable[..., Awaitable[None]]


@pytest.fixture
def heads(settings: Settings) -> Heads:
    return Heads(settings.heads_path, load_signing_keys(settings))


@pytest.fixture
async def books(database: Database, heads: Heads) -> Books:
    """5.00 granted in block 1; three charges of 0.001, 0.002 and 0.003 in block 2; 1.00 held; and another tenant."""
    opened = await open_books(database)
    await opened.top_up(5_000_000)
    await seal_tenant(database, heads, opened.tenant_id)
    for output_tokens in (100, 200, 300):
        await opened.charge(output_tokens=output_tokens)
    await seal_tenant(database, heads, opened.tenant_id)
    await opened.hold(1_000_000)
    other = await open_books(database, "other")
    await other.top_up(7)
    await seal_tenant(database, heads, other.tenant_id)
    return opened


@pytest.fixture
def tamper(connect: Connect) -> Tamper:
    """Runs statements as the superuser with all triggers and foreign keys off."""

    async def run(*statements: str) -> None:
        admin = await connect("admin")
        await admin.execute("SET session_replication_role = replica")
        for statement in statements:
            cursor = await admin.execute(statement)
            assert cursor.rowcount, statement
        await admin.commit()

    return run


async def _findings(database: Database, heads: Heads, **options: Any) -> list[Finding]:
    return [finding async for finding in verify(database, heads, **options)]


def _lines(found: list[Finding]) -> set[tuple[str, str]]:
    return {(finding.check, finding.row.split(" ")[0]) for finding in found}


async def test_an_untouched_ledger_verifies(database: Database, heads: Heads, books: Books) -> None:
    verified = Verified()
    assert [finding async for finding in verify(database, heads, verified=verified)] == []
    # The installation, acme and other.
    assert (verified.tenants, verified.blocks, verified.transactions) == (3, 3, 5)


_WALLET = "(SELECT id FROM accounts WHERE kind = 'wallet' AND balance_micro > 1000)"


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        pytest.param(
            [f"UPDATE ledger_entries SET amount_micro = -1 WHERE version = 2 AND account_id = {_WALLET}"],
            {
                ("zero_sum", "transaction"),
                ("entry_balance", "entry"),
                ("account_balance", "account"),
                ("transaction_altered", "transaction"),
            },
            id="an amount",
        ),
        pytest.param(
            [f"UPDATE ledger_entries SET balance_after_micro = 9 WHERE version = 2 AND account_id = {_WALLET}"],
            {("entry_balance", "entry"), ("transaction_altered", "transaction")},
            id="a balance between",
        ),
        pytest.param(
            [f"DELETE FROM ledger_entries WHERE version = 2 AND account_id = {_WALLET}"],
            {
                ("zero_sum", "transaction"),
                ("entry_version", "entry"),
                ("entry_balance", "entry"),
                ("account_balance", "account"),
                ("transaction_altered", "transaction"),
            },
            id="an entry deleted",
        ),
        pytest.param(
            ["DELETE FROM ledger_entries WHERE version = 4 AND account_id = " + _WALLET]
            + ["UPDATE accounts SET balance_micro = 4997000, version = 3 WHERE balance_micro = 4994000"],
            {("zero_sum", "transaction"), ("transaction_altered", "transaction")},
            id="the newest entry deleted and the balance with it",
        ),
        pytest.param(
            ["UPDATE accounts SET balance_micro = balance_micro + 1 WHERE balance_micro = 4994000"],
            {("account_balance", "account")},
            id="a cached balance",
        ),
        pytest.param(
            ["UPDATE accounts SET held_micro = 0 WHERE held_micro = 1000000"],
            {("account_held", "account")},
            id="a cached hold",
        ),
        pytest.param(["DELETE FROM holds"], {("account_held", "account")}, id="a hold deleted"),
        pytest.param(
            [
                "UPDATE ledger_entries SET amount_micro = -5000001, balance_after_micro = -1 "
                f"WHERE version = 2 AND account_id = {_WALLET}"
            ],
            {
                ("zero_sum", "transaction"),
                ("floor", "entry"),
                ("entry_balance", "entry"),
                ("account_balance", "account"),
                ("transaction_altered", "transaction"),
            },
            id="a charge past the floor",
        ),
        pytest.param(
            ["UPDATE ledger_transactions SET occurred_at = occurred_at - interval '1 day' WHERE kind = 'usage'"],
            {("transaction_altered", "transaction")},
            id="when it was",
        ),
        pytest.param(
            ["UPDATE ledger_transactions SET reference = 'x' WHERE kind = 'grant' AND tenant_id = '{tenant}'"],
            {("transaction_altered", "transaction")},
            id="what it was for",
        ),
        pytest.param(
            ["UPDATE usage_events SET output_tokens = 90, amount_micro = 900 WHERE output_tokens = 100"],
            {("charge", "usage"), ("usage_charged", "usage"), ("transaction_altered", "transaction")},
            id="the tokens of a charge",
        ),
        pytest.param(
            ["UPDATE usage_events SET arithmetic = '{{}}' WHERE output_tokens = 100"],
            {("charge", "usage"), ("transaction_altered", "transaction")},
            id="the arithmetic of a charge",
        ),
        pytest.param(
            ["UPDATE model_prices SET output_per_million = 11 WHERE model = 'gpt-4o'"],
            {("charge", "usage")},
            id="a published price",
        ),
        pytest.param(
            ["DELETE FROM usage_events WHERE output_tokens = 200"],
            {("usage_event_of_transaction", "transaction"), ("transaction_altered", "transaction")},
            id="a usage event deleted",
        ),
        pytest.param(
            ["DELETE FROM usage_keys WHERE transaction_id = (SELECT transaction_id FROM usage_events LIMIT 1)"],
            {
                ("usage_event_of_transaction", "transaction"),
                ("transaction_of_usage_event", "usage"),
                ("transaction_altered", "transaction"),
            },
            id="a usage key deleted",
        ),
        pytest.param(
            [
                "INSERT INTO usage_events SELECT tenant_id, gen_random_uuid(), occurred_at, customer_id, 'again',"
                " outcome, model, input_tokens, cached_tokens, output_tokens, amount_micro, currency,"
                " price_book_version, arithmetic, transaction_id, hold_id, recorded_at FROM usage_events"
                " WHERE output_tokens = 100"
            ],
            {("transaction_of_usage_event", "usage")},
            id="a second event for one charge",
        ),
        pytest.param(
            ["UPDATE accounts SET customer_id = gen_random_uuid() WHERE balance_micro = 4994000"],
            {("transaction_altered", "transaction")},
            id="whose account it is",
        ),
    ],
)
async def test_what_is_changed_is_found(
    database: Database,
    heads: Heads,
    books: Books,
    tamper: Tamper,
    statements: list[str],
    expected: set[tuple[str, str]],
) -> None:
    await tamper(*(statement.format(tenant=books.tenant_id) for statement in statements))
    found = await _findings(database, heads)
    assert _lines(found) == expected
    assert {finding.tenant for finding in found} == {"acme"}
    assert await _findings(database, heads, slug="other") == []


async def test_a_consistent_rewrite_of_entries_names_the_transaction(
    database: Database, heads: Heads, books: Books, tamper: Tamper
) -> None:
    """The newest charge made half as large everywhere: every sum is right, only the chain knows."""
    await tamper(
        "UPDATE ledger_entries SET amount_micro = amount_micro / 2, balance_after_micro = balance_after_micro "
        "- amount_micro / 2 WHERE transaction_id = (SELECT transaction_id FROM usage_events WHERE output_tokens = 300)",
        "UPDATE accounts a SET balance_micro = e.balance_after_micro FROM ledger_entries e "
        "WHERE e.account_id = a.id AND e.version = a.version",
        "UPDATE usage_events SET output_tokens = 150, amount_micro = 1500, arithmetic = "
        "replace(replace(replace(arithmetic::text, '300', '150'), '0.003', '0.0015'), '0.0030', '0.0015')::jsonb "
        "WHERE output_tokens = 300",
    )
    found = await _findings(database, heads)
    async with database.reading() as session:
        transaction = await session.scalar(text("SELECT transaction_id FROM usage_events WHERE output_tokens = 150"))
    assert [(finding.tenant, finding.check, finding.row) for finding in found] == [
        ("acme", "transaction_altered", f"transaction {transaction}")
    ]


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        pytest.param(["DELETE FROM ledger_blocks WHERE number = 2 AND {acme}"], {("head", "block 2")}, id="newest"),
        pytest.param(["DELETE FROM ledger_blocks WHERE {acme}"], {("head", "block 2")}, id="all"),
        pytest.param(
            ["DELETE FROM ledger_blocks WHERE number = 1 AND {acme}"],
            {("block_number", "block 2"), ("head", "block 2")},
            id="first",
        ),
        pytest.param(
            ["UPDATE ledger_blocks SET hash = sha256('x') WHERE number = 1 AND {acme}"],
            {("block_hash", "block 1"), ("block_link", "block 2")},
            id="hash",
        ),
        pytest.param(
            ["UPDATE ledger_blocks SET sealed_at = sealed_at - interval '1 s' WHERE number = 1 AND {acme}"],
            {("block_hash", "block 1")},
            id="when",
        ),
        pytest.param(
            [
                "UPDATE ledger_blocks SET transaction_ids = transaction_ids[2:], digests = substr(digests, 33) "
                "WHERE number = 2 AND {acme}"
            ],
            {("block_hash", "block 2"), ("head", "block 2")},
            id="a transaction left out",
        ),
    ],
)
async def test_a_block_that_is_gone_or_rewritten_is_found(
    database: Database,
    heads: Heads,
    books: Books,
    tamper: Tamper,
    statements: list[str],
    expected: set[tuple[str, str]],
) -> None:
    await tamper(*(line.replace("{acme}", f"tenant_id = '{books.tenant_id}'") for line in statements))
    found = await _findings(database, heads)
    assert {(finding.check, finding.row) for finding in found} == expected
    assert {finding.tenant for finding in found} == {"acme"}


async def test_a_whole_chain_made_anew_is_found(
    database: Database, heads: Heads, books: Books, tamper: Tamper, settings: Settings, tmp_path: Path
) -> None:
    """Someone deletes the chain and has it sealed again, with hashes that are right: the signed head is not."""
    await tamper(
        f"DELETE FROM ledger_blocks WHERE tenant_id = '{books.tenant_id}'",
        f"UPDATE ledger_transactions SET reference = 'mine' WHERE kind = 'grant' AND tenant_id = '{books.tenant_id}'",
    )
    forger = Heads(
        tmp_path / "forged", load_signing_keys(settings.model_copy(update={"ledger_heads_path": tmp_path / "f"}))
    )
    await seal_tenant(database, forger, books.tenant_id)
    await books.charge()
    await seal_tenant(database, forger, books.tenant_id)

    found = await _findings(database, heads)
    assert {(finding.tenant, finding.check, finding.row) for finding in found} == {("acme", "head", "block 2")}

    shutil.copy(tmp_path / "forged" / f"{books.tenant_id}.head", heads.folder)
    found = await _findings(database, heads)
    assert [(finding.tenant, finding.check) for finding in found] == [("acme", "head_forged")]


async def test_a_missing_head_and_a_missing_tenant_are_found(
    database: Database, heads: Heads, books: Books, tamper: Tamper
) -> None:
    head = heads.folder / f"{books.tenant_id}.head"
    content = head.read_bytes()
    head.unlink()
    found = await _findings(database, heads)
    assert [(finding.tenant, finding.check, finding.row) for finding in found] == [("acme", "head", "head")]

    head.write_bytes(content)
    tables = (
        "usage_keys",
        "usage_events",
        "ledger_entries",
        "ledger_transactions",
        "ledger_blocks",
        "holds",
        "accounts",
    )
    await tamper(
        *(f"DELETE FROM {table} WHERE tenant_id = '{books.tenant_id}'" for table in tables),
        f"DELETE FROM tenants WHERE id = '{books.tenant_id}'",
    )
    found = await _findings(database, heads)
    assert [(finding.tenant, finding.check) for finding in found] == [(str(books.tenant_id), "head")]
    assert await _findings(database, heads, slug=str(books.tenant_id)) == found
    with pytest.raises(NotFound):
        await _findings(database, heads, slug="nobody")


async def test_what_stays_unsealed_for_a_minute_is_found(
    database: Database, heads: Heads, books: Books, tamper: Tamper
) -> None:
    transaction_id = await books.charge()
    assert await _findings(database, heads) == []
    await tamper(f"UPDATE ledger_transactions SET recorded_at = now() - interval '61 s' WHERE id = '{transaction_id}'")
    found = await _findings(database, heads)
    assert [(finding.check, finding.row) for finding in found] == [("unsealed", f"transaction {transaction_id}")]


async def test_a_transaction_in_two_blocks_is_found(
    database: Database, heads: Heads, books: Books, tamper: Tamper
) -> None:
    async with database.tenant(books.tenant_id) as session:
        await session.execute(
            text(
                "INSERT INTO ledger_blocks SELECT tenant_id, 3, hash, sha256('x'), transaction_ids, digests, sealed_at "
                "FROM ledger_blocks WHERE number = 2"
            )
        )
    found = await _findings(database, heads)
    assert _lines(found) == {("sealed_twice", "transaction"), ("block_hash", "block")}


async def test_the_command_names_tenant_and_row_and_says_so_in_its_exit_code(
    books: Books, settings: Settings, tamper: Tamper, cache: Redis
) -> None:
    import asyncio

    from typer.testing import CliRunner

    from core.cli.ledger import app
    from tests.support import environment

    runner, env = CliRunner(), environment.of_process(settings)

    async def run(*words: str) -> Any:
        return await asyncio.to_thread(runner.invoke, app, ["verify", *words], env=env)

    good = await run()
    assert (good.exit_code, good.stdout) == (0, "ok: 3 tenants, 5 transactions in 3 blocks\n")
    remembered = await standing.find(cache)
    assert remembered is not None
    assert (remembered.findings, remembered.transactions) == (0, 5)
    await tamper("UPDATE accounts SET held_micro = 0 WHERE held_micro = 1000000")
    bad = await run()
    assert bad.exit_code == 1
    line = bad.stdout.splitlines()[0]
    assert line.startswith("acme: account ")
    assert line.endswith(": holds 0; its open holds sum to 1000000 [account_held]")
    one = await run("--tenant", "acme", "--format", "json")
    document = json.loads(one.stdout)
    assert (one.exit_code, document["verified"], document["tenants"]) == (1, False, 1)
    assert [(finding["tenant"], finding["check"]) for finding in document["findings"]] == [("acme", "account_held")]
    assert UUID(document["findings"][0]["row"].removeprefix("account "))
    other = await run("--tenant", "other", "--format", "json")
    assert (other.exit_code, json.loads(other.stdout)["findings"]) == (0, [])
