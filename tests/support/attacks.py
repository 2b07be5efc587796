"""What an attacker tries against the ledger, and how the database names its refusal."""

from collections.abc import Awaitable, Callable
from uuid import uuid4

import psycopg
from psycopg import errors

from tests.support.attacked import LATER, Books

Attack = Callable[[Books], Awaitable[None]]


async def unbalanced(books: Books) -> None:
    transaction = await books.transaction()
    await books.entry(transaction, books.wallet, 1_000_000, version=2, after=6_000_000)
    await books.entry(transaction, books.clearing, -999_999, version=2, after=-5_999_999)
    await books.set_account(books.wallet, 6_000_000, 2)
    await books.set_account(books.clearing, -5_999_999, 2)


async def one_sided(books: Books) -> None:
    transaction = await books.transaction()
    await books.entry(transaction, books.wallet, 1_000_000, version=2, after=6_000_000)
    await books.set_account(books.wallet, 6_000_000, 2)


async def balanced_across_currencies(books: Books) -> None:
    euros = uuid4()
    await books.open_account(euros, "clearing", currency="EUR")
    transaction = await books.transaction()
    await books.entry(transaction, books.wallet, 1_000_000, version=2, after=6_000_000)
    await books.entry(transaction, euros, -1_000_000, version=1, after=-1_000_000, currency="EUR")
    await books.set_account(books.wallet, 6_000_000, 2)
    await books.set_account(euros, -1_000_000, 1)


async def wrong_currency(books: Books) -> None:
    transaction = await books.transaction()
    for account, amount, after in ((books.wallet, 1, 5_000_001), (books.clearing, -1, -5_000_001)):
        await books.entry(transaction, account, amount, version=2, after=after, currency="EUR")
        await books.set_account(account, after, 2)


async def no_entries(books: Books) -> None:
    await books.transaction()


async def single_entry_of_zero(books: Books) -> None:
    transaction = await books.transaction()
    await books.entry(transaction, books.wallet, 0, version=2, after=5_000_000)
    await books.set_account(books.wallet, 5_000_000, 2)


async def balance_without_entry(books: Books) -> None:
    await books.set_account(books.wallet, 9_000_000, 1)


async def version_without_entry(books: Books) -> None:
    await books.set_account(books.wallet, 5_000_000, 2)


async def born_rich(books: Books) -> None:
    await books.run(
        "INSERT INTO customers (tenant_id, id, external_id, is_self, created_at) "
        "VALUES (%(tenant)s, %(new)s, 'rich', false, %(at)s)",
        new=(rich := uuid4()),
    )
    await books.open_account(uuid4(), "wallet", customer=rich, balance=1_000_000)


async def born_with_a_version(books: Books) -> None:
    await books.open_account(uuid4(), "wallet", currency="EUR", balance=1_000_000, version=1)


async def gap_in_versions(books: Books) -> None:
    transaction = await books.transaction()
    await books.entry(transaction, books.wallet, 1, version=3, after=5_000_001)
    await books.entry(transaction, books.clearing, -1, version=2, after=-5_000_001)
    await books.set_account(books.wallet, 5_000_001, 3)
    await books.set_account(books.clearing, -5_000_001, 2)


async def ahead_of_the_account(books: Books) -> None:
    transaction = await books.transaction()
    await books.entry(transaction, books.wallet, 1, version=2, after=5_000_001)
    await books.entry(transaction, books.clearing, -1, version=2, after=-5_000_001)


async def wrong_balance_after(books: Books) -> None:
    transaction = await books.transaction()
    await books.entry(transaction, books.wallet, 1, version=2, after=9_000_000)
    await books.entry(transaction, books.clearing, -1, version=2, after=-5_000_001)
    await books.set_account(books.wallet, 9_000_000, 2)
    await books.set_account(books.clearing, -5_000_001, 2)


async def below_the_floor(books: Books) -> None:
    transaction = await books.transaction()
    await books.entry(transaction, books.wallet, -5_000_001, version=2, after=-1)
    await books.entry(transaction, books.granted, 5_000_001, version=1, after=5_000_001)
    await books.set_account(books.granted, 5_000_001, 1)
    await books.set_account(books.wallet, -1, 2)


async def below_the_floor_and_back(books: Books) -> None:
    """The account's row never shows it; the entry in between does."""
    transaction = await books.transaction()
    await books.entry(transaction, books.wallet, -6_000_000, version=2, after=-1_000_000)
    await books.entry(transaction, books.wallet, 6_000_000, version=3, after=5_000_000)
    await books.set_account(books.wallet, 5_000_000, 3)


async def entry_into_an_old_transaction(books: Books) -> None:
    (old,) = await (
        await books.connection.execute("SELECT id FROM ledger_transactions WHERE kind = 'purchase'")
    ).fetchone() or (None,)
    await books.entry(old, books.wallet, 1, version=2, after=5_000_001)
    await books.entry(old, books.clearing, -1, version=2, after=-5_000_001)
    await books.set_account(books.wallet, 5_000_001, 2)
    await books.set_account(books.clearing, -5_000_001, 2)


async def debt_that_is_a_credit(books: Books) -> None:
    transaction = await books.transaction()
    await books.entry(transaction, books.receivable, 1, version=1, after=1)
    await books.entry(transaction, books.granted, -1, version=1, after=-1)
    await books.set_account(books.granted, -1, 1)
    await books.set_account(books.receivable, 1, 1)


async def same_cause_twice(books: Books) -> None:
    for version in (2, 3):
        transaction = await books.transaction("grant", reference="the-same")
        after = 5_000_000 + version
        await books.entry(transaction, books.wallet, 1, version=version, after=after)
        await books.entry(transaction, books.granted, -1, version=version - 1, after=1 - version)


async def without_a_cause(books: Books) -> None:
    await books.transaction("grant", reference=None)


async def usage_without_event(books: Books) -> None:
    await books.charge()


async def event_without_transaction(books: Books) -> None:
    await books.key("k", await books.event("k", missing := uuid4()), missing)


async def event_of_another_kind_of_transaction(books: Books) -> None:
    transaction = await books.transaction("grant")
    await books.entry(transaction, books.wallet, -1_000_000, version=2, after=4_000_000)
    await books.entry(transaction, books.revenue, 1_000_000, version=1, after=1_000_000)
    await books.set_account(books.wallet, 4_000_000, 2)
    await books.set_account(books.revenue, 1_000_000, 1)
    await books.key("k", await books.event("k", transaction), transaction)


async def two_events_for_a_transaction(books: Books) -> None:
    transaction = await books.charge()
    await books.key("k", await books.event("k", transaction), transaction)
    await books.event("k2", transaction)


async def two_keys_for_a_transaction(books: Books) -> None:
    transaction = await books.charge()
    await books.key("k", await books.event("k", transaction), transaction)
    await books.key("k2", await books.event("k2", transaction), transaction)


async def event_under_another_key(books: Books) -> None:
    transaction = await books.charge()
    await books.key("k", await books.event("not-k", transaction), transaction)


async def event_at_another_time(books: Books) -> None:
    transaction = await books.charge()
    await books.key("k", await books.event("k", transaction, at=LATER), transaction)


async def event_that_costs_something_else(books: Books) -> None:
    transaction = await books.charge()
    await books.key("k", await books.event("k", transaction, amount=1), transaction)


async def refused_event_without_key(books: Books) -> None:
    await books.event("k", None)


async def refused_twice_under_a_key(books: Books) -> None:
    await books.key("k", await books.event("k", None), None)
    await books.event("k", None)


async def settled_key_loses_its_charge(books: Books) -> None:
    transaction = await books.charge()
    await books.key("k", await books.event("k", transaction), transaction)
    await books.run("UPDATE usage_keys SET transaction_id = NULL")


async def hold_that_nothing_holds(books: Books) -> None:
    await books.hold(1_000_000, held=None)


async def held_without_hold(books: Books) -> None:
    await books.run("UPDATE accounts SET held_micro = 1 WHERE id = %(wallet)s")


async def held_less_than_the_holds(books: Books) -> None:
    await books.hold(1_000_000, held=999_999)


async def hold_beyond_the_floor(books: Books) -> None:
    await books.hold(5_000_001, held=5_000_001)


async def hold_on_no_wallet(books: Books) -> None:
    await books.hold(1, held=None, account=books.clearing)


async def hold_on_an_unknown_account(books: Books) -> None:
    await books.hold(1, held=None, account=uuid4())


async def hold_in_another_currency(books: Books) -> None:
    await books.hold(1_000_000, held=1_000_000, currency="EUR")


async def closed_hold_still_held(books: Books) -> None:
    hold = await books.hold(1_000_000, held=1_000_000)
    await books.run("UPDATE holds SET state = 'released', closed_at = %(at)s WHERE id = %(hold)s", hold=hold)


async def hold_opened_again(books: Books) -> None:
    hold = await books.hold(1_000_000, held=1_000_000)
    await books.run("UPDATE holds SET state = 'released', closed_at = %(at)s WHERE id = %(hold)s", hold=hold)
    await books.run("UPDATE holds SET state = 'open', closed_at = NULL WHERE id = %(hold)s", hold=hold)


async def hold_in_no_state(books: Books) -> None:
    hold = await books.hold(1_000_000, held=1_000_000)
    await books.run("UPDATE holds SET state = 'lost', closed_at = %(at)s WHERE id = %(hold)s", hold=hold)


async def hold_settled_by_nothing(books: Books) -> None:
    hold = await books.hold(1_000_000, held=1_000_000)
    await books.run("UPDATE holds SET state = 'settled', closed_at = %(at)s WHERE id = %(hold)s", hold=hold)


ATTACKS: dict[str, tuple[Attack, type[psycopg.Error], str | None]] = {
    "unbalanced": (unbalanced, errors.CheckViolation, "ledger_entries_zero_sum"),
    "one-sided": (one_sided, errors.CheckViolation, None),
    "balanced across currencies": (balanced_across_currencies, errors.CheckViolation, "ledger_entries_zero_sum"),
    "wrong currency": (wrong_currency, errors.CheckViolation, "ledger_entries_currency"),
    "no entries": (no_entries, errors.CheckViolation, "ledger_transactions_entries"),
    "single entry of zero": (single_entry_of_zero, errors.CheckViolation, "ledger_transactions_entries"),
    "balance without entry": (balance_without_entry, errors.CheckViolation, "accounts_balance"),
    "version without entry": (version_without_entry, errors.CheckViolation, "accounts_balance"),
    "born rich": (born_rich, errors.CheckViolation, "accounts_balance"),
    "born with a version": (born_with_a_version, errors.CheckViolation, "accounts_balance"),
    "gap in versions": (gap_in_versions, errors.CheckViolation, "ledger_entries_balance"),
    "ahead of the account": (ahead_of_the_account, errors.CheckViolation, "ledger_entries_version"),
    "wrong balance after": (wrong_balance_after, errors.CheckViolation, "ledger_entries_balance"),
    "below the floor": (below_the_floor, errors.CheckViolation, "accounts_floor_check"),
    "below the floor and back": (below_the_floor_and_back, errors.CheckViolation, "ledger_entries_floor"),
    "into an old transaction": (
        entry_into_an_old_transaction,
        errors.RestrictViolation,
        "ledger_entries_born_together",
    ),
    "debt that is a credit": (debt_that_is_a_credit, errors.CheckViolation, "accounts_receivable_check"),
    "same cause twice": (same_cause_twice, errors.UniqueViolation, "ledger_transactions_reference_key"),
    "without a cause": (without_a_cause, errors.CheckViolation, "ledger_transactions_reference_check"),
    "usage without event": (usage_without_event, errors.CheckViolation, "usage_one_to_one"),
    "event without transaction": (event_without_transaction, errors.CheckViolation, None),
    "event of another kind": (event_of_another_kind_of_transaction, errors.CheckViolation, "usage_one_to_one"),
    "two events for a transaction": (two_events_for_a_transaction, errors.CheckViolation, "usage_one_to_one"),
    "two keys for a transaction": (
        two_keys_for_a_transaction,
        errors.UniqueViolation,
        "usage_keys_transaction_key",
    ),
    "event under another key": (event_under_another_key, errors.CheckViolation, "usage_one_to_one"),
    "event at another time": (event_at_another_time, errors.CheckViolation, "usage_one_to_one"),
    "event that costs something else": (event_that_costs_something_else, errors.CheckViolation, "usage_amount"),
    "refused event without key": (refused_event_without_key, errors.CheckViolation, "usage_one_to_one"),
    "refused twice under a key": (refused_twice_under_a_key, errors.CheckViolation, "usage_one_to_one"),
    "settled key loses its charge": (
        settled_key_loses_its_charge,
        errors.RestrictViolation,
        "usage_keys_settled_once",
    ),
    "hold that nothing holds": (hold_that_nothing_holds, errors.CheckViolation, "accounts_held"),
    "held without hold": (held_without_hold, errors.CheckViolation, "accounts_held"),
    "held less than the holds": (held_less_than_the_holds, errors.CheckViolation, "accounts_held"),
    "hold beyond the floor": (hold_beyond_the_floor, errors.CheckViolation, "accounts_floor_check"),
    "hold on no wallet": (hold_on_no_wallet, errors.CheckViolation, "accounts_held"),
    "hold on an unknown account": (hold_on_an_unknown_account, errors.ForeignKeyViolation, None),
    "hold in another currency": (hold_in_another_currency, errors.CheckViolation, "holds_on_wallet"),
    "closed hold still held": (closed_hold_still_held, errors.CheckViolation, "accounts_held"),
    "hold opened again": (hold_opened_again, errors.RestrictViolation, "holds_closed_once"),
    "hold in no state": (hold_in_no_state, errors.CheckViolation, "holds_state_check"),
    "hold settled by nothing": (hold_settled_by_nothing, errors.CheckViolation, "holds_settled_check"),
}
