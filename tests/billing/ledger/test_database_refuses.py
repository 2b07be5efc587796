"""What the database refuses, whatever the program does: each promise attacked as the application's role.

Every attack runs against an honest start (a wallet with 5.00 and one posting) with the tenant left as it is, cleared
and changed before the commit: the triggers judge all the same.
"""

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from psycopg import errors

from tests.support.attacked import AT, Books, Connect
from tests.support.attacks import ATTACKS


@pytest.fixture
async def books(connect: Connect) -> AsyncIterator[Books]:
    books = Books(await connect("app"))
    await books.enter()
    await books.run(
        "INSERT INTO tenants (id, slug, name, currency, is_test, created_at) "
        "VALUES (%(tenant)s, 'attacked', 'Attacked', 'USD', false, %(at)s)"
    )
    await books.run(
        "INSERT INTO customers (tenant_id, id, external_id, is_self, created_at) "
        "VALUES (%(tenant)s, %(customer)s, 'self', true, %(at)s)"
    )
    for account, kind in (
        (books.wallet, "wallet"),
        (books.revenue, "revenue"),
        (books.clearing, "clearing"),
        (books.receivable, "receivable"),
        (books.granted, "granted"),
    ):
        await books.open_account(account, kind)
    purchase = await books.transaction("purchase")
    await books.entry(purchase, books.wallet, 5_000_000, version=1, after=5_000_000)
    await books.entry(purchase, books.clearing, -5_000_000, version=1, after=-5_000_000)
    await books.set_account(books.wallet, 5_000_000, 1)
    await books.set_account(books.clearing, -5_000_000, 1)
    await books.connection.commit()
    await books.enter()
    yield books
    await books.connection.rollback()


@pytest.mark.parametrize("manner", ["as it is", "cleared", "changed", "immediate"])
async def test_each_attack_is_refused(books: Books, manner: str) -> None:
    untouched = await _figures(books)
    for name, (attack, error, constraint) in ATTACKS.items():
        await books.enter()
        with pytest.raises(error) as refusal:  # noqa: PT012  # where it is refused is not what counts
            await attack(books)
            await books.leave(manner)
        assert constraint in (None, refusal.value.diag.constraint_name), name
        await books.connection.rollback()
        await books.enter()
        assert await _figures(books) == untouched, name


async def test_an_honest_charge_is_let_through(books: Books) -> None:
    transaction = await books.charge()
    await books.key("k", await books.event("k", transaction), transaction)
    await books.leave("cleared")


async def test_a_checked_transaction_takes_no_further_entry(books: Books) -> None:
    """Asking for the checks at once and writing on afterwards does not get past them."""
    transaction = await books.charge()
    await books.key("k", await books.event("k", transaction), transaction)
    await books.run("SET CONSTRAINTS ALL IMMEDIATE")

    with pytest.raises(errors.CheckViolation):
        await books.entry(transaction, books.wallet, 1_000_000, version=3, after=5_000_000)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_entries SET amount_micro = 0",
        "DELETE FROM ledger_entries",
        "TRUNCATE ledger_entries",
        "UPDATE ledger_transactions SET kind = 'grant'",
        "DELETE FROM ledger_transactions",
        "TRUNCATE ledger_transactions CASCADE",
        "UPDATE usage_events SET amount_micro = 0",
        "DELETE FROM usage_events",
        "TRUNCATE usage_events",
        "DELETE FROM usage_events_2026_11",
        "DELETE FROM usage_keys",
        "UPDATE usage_keys SET key = 'other'",
        "DELETE FROM accounts",
        "UPDATE accounts SET floor_micro = -1000000000",
        "UPDATE accounts SET currency = 'EUR'",
        "DELETE FROM holds",
        "UPDATE holds SET amount_micro = 1",
        "UPDATE holds SET expires_at = now()",
        "ALTER TABLE ledger_entries DISABLE TRIGGER ALL",
        "ALTER TABLE ledger_entries DISABLE ROW LEVEL SECURITY",
        "DROP TRIGGER check_ledger_entry ON ledger_entries",
        "SET session_replication_role = replica",
        "SET ROLE cloudbill_owner",
        "COPY ledger_entries FROM STDIN",
        "CREATE FUNCTION public.check_ledger_entry() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "SELECT refuse_wrong_held(%(tenant)s, %(wallet)s)",
    ],
)
async def test_the_application_has_no_right(books: Books, statement: str) -> None:
    with pytest.raises((errors.InsufficientPrivilege, errors.FeatureNotSupported)):
        await books.run(statement)


@pytest.mark.parametrize("table", ["ledger_transactions", "ledger_entries", "usage_events"])
@pytest.mark.parametrize("statement", ["DELETE FROM {}", "TRUNCATE {} CASCADE"])
async def test_not_even_the_owner_takes_a_row_back(books: Books, connect: Connect, table: str, statement: str) -> None:
    transaction = await books.charge()
    await books.key("k", await books.event("k", transaction), transaction)
    await books.connection.commit()
    owner = await connect("owner")
    await owner.execute("SELECT set_config('app.tenant_id', %s, true)", [str(books.tenant)])

    with pytest.raises(errors.RestrictViolation):
        await owner.execute(statement.format(table))


@pytest.mark.parametrize(
    "table", ["accounts", "ledger_transactions", "ledger_entries", "usage_events", "usage_keys", "holds"]
)
async def test_another_tenant_sees_and_writes_nothing(books: Books, connect: Connect, table: str) -> None:
    await books.hold(1_000_000, held=1_000_000)
    transaction = await books.transaction("grant")
    await books.entry(transaction, books.wallet, 0, version=2, after=5_000_000)
    await books.entry(transaction, books.granted, 0, version=1, after=0)
    await books.set_account(books.wallet, 5_000_000, 2)
    await books.set_account(books.granted, 0, 1)
    await books.key("k", await books.event("k", None), None)
    await books.connection.commit()

    other = await connect("app")
    for tenant in (str(uuid4()), ""):
        await other.execute("SELECT set_config('app.tenant_id', %s, true)", [tenant])
        seen = await (await other.execute(f"SELECT count(*) FROM {table}")).fetchone()
        assert seen == (0,)
    with pytest.raises(errors.InsufficientPrivilege):
        await other.execute(
            "INSERT INTO accounts (tenant_id, id, customer_id, kind, currency) VALUES (%s, %s, %s, 'revenue', 'EUR')",
            [books.tenant, uuid4(), books.customer],
        )
    await other.rollback()


@pytest.mark.parametrize("part", [0, 2])
async def test_the_writer_writes_no_row_of_another_tenant(books: Books, part: int) -> None:
    """A plan names each row's tenant: what it says of an account or a transaction must be that tenant's own."""
    other = str(uuid4())
    rows: list[list[dict[str, Any]] | None] = [None] * 8
    rows[part] = [
        {"tenant_id": other, "id": str(uuid4()), "kind": "grant", "reference": "x", "occurred_at": AT}
        if part == 0
        else {
            "tenant_id": other,
            "id": str(books.wallet),
            "customer_id": str(books.customer),
            "kind": "wallet",
            "currency": "USD",
            "floor_micro": 0,
            "balance_micro": 0,
            "held_micro": 0,
            "version": 0,
        }
    ]

    with pytest.raises((errors.ForeignKeyViolation, errors.CheckViolation)):  # noqa: PT012  # at once or at the commit
        await books.connection.execute(
            "SELECT write_ledger(%s::json, %s::json, %s::json, %s::json, %s::json, %s::json, %s::json, %s::json)",
            [json.dumps(row) if row else None for row in rows],
        )
        await books.connection.commit()


async def test_the_writer_leaves_what_an_account_is_as_it_is(books: Books) -> None:
    """An account is written whole; only its figures are taken from a plan."""
    row = {
        "tenant_id": str(books.tenant),
        "id": str(books.wallet),
        "customer_id": str(books.customer),
        "kind": "wallet",
        "currency": "EUR",
        "floor_micro": -1,
        "balance_micro": 5_000_000,
        "held_micro": 0,
        "version": 1,
    }

    await books.connection.execute(
        "SELECT write_ledger(NULL, NULL, %s::json, NULL, NULL, NULL, NULL, NULL)", [json.dumps([row])]
    )

    kept = await (
        await books.connection.execute("SELECT currency, floor_micro FROM accounts WHERE id = %s", [books.wallet])
    ).fetchone()
    assert kept == ("USD", 0)


async def _figures(books: Books) -> list[Any]:
    rows = await books.connection.execute(
        "SELECT 'account', id::text, balance_micro, held_micro, version FROM accounts UNION ALL "
        "SELECT 'rows', '', (SELECT count(*) FROM ledger_entries), (SELECT count(*) FROM usage_events), "
        "(SELECT count(*) FROM holds) ORDER BY 1, 2"
    )
    return await rows.fetchall()
