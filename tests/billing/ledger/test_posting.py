"""Planned postings keep every promise before the database is asked: zero sums, versions without gaps, floors."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.billing.ledger.posting import PARTS, LockedAccount, Plan, PostingRefused, documents

NOW = datetime(2026, 3, 1, tzinfo=UTC)
amounts = st.integers(min_value=-(10**12), max_value=10**12)


def account(kind: str, balance: int = 0, *, held: int = 0, version: int = 0, currency: str = "USD") -> LockedAccount:
    floor = 0 if kind == "wallet" else None
    return LockedAccount(uuid4(), UUID(int=1), kind, currency, floor, balance, held, version)


@given(st.lists(amounts, max_size=30))
def test_entries_follow_each_other_and_sum_to_zero(moves: list[int]) -> None:
    wallet, counter = account("wallet", 5_000_000, version=7), account("revenue")
    plan = Plan(UUID(int=1))
    for amount in moves:
        if wallet.balance_micro + amount < 0:
            with pytest.raises(PostingRefused):
                plan.post("grant", [(wallet, amount), (counter, -amount)], occurred_at=NOW)
        else:
            plan.post("grant", [(wallet, amount), (counter, -amount)], occurred_at=NOW)

    entries = plan.parts()["entries"]
    assert sum(entry["amount_micro"] for entry in entries) == 0
    for kept, first_balance, first_version in ((wallet, 5_000_000, 7), (counter, 0, 0)):
        own = [entry for entry in entries if entry["account_id"] == kept.id]
        assert [entry["version"] for entry in own] == list(range(first_version + 1, first_version + 1 + len(own)))
        balance = first_balance
        for entry in own:
            balance += entry["amount_micro"]
            assert entry["balance_after_micro"] == balance
        assert (kept.balance_micro, kept.version) == (balance, first_version + len(own))
    assert wallet.balance_micro >= 0


@given(st.lists(amounts, min_size=0, max_size=4))
def test_moves_that_do_not_sum_to_zero_are_refused(moves: list[int]) -> None:
    plan = Plan(UUID(int=1))
    accounts = [account("revenue") for _ in moves]
    if len(moves) >= 2 and sum(moves) == 0:
        plan.post("adjustment", list(zip(accounts, moves, strict=True)), occurred_at=NOW)
    else:
        with pytest.raises(PostingRefused):
            plan.post("adjustment", list(zip(accounts, moves, strict=True)), occurred_at=NOW)
        assert plan.is_empty


def test_currencies_are_balanced_each() -> None:
    with pytest.raises(PostingRefused):
        Plan(UUID(int=1)).post(
            "adjustment", [(account("revenue"), 5), (account("revenue", currency="EUR"), -5)], occurred_at=NOW
        )


def test_what_is_held_cannot_be_spent() -> None:
    wallet, revenue = account("wallet", 10, held=4), account("revenue")
    plan = Plan(UUID(int=1))

    with pytest.raises(PostingRefused):
        plan.post("usage", [(wallet, -7), (revenue, 7)], occurred_at=NOW)
    with pytest.raises(PostingRefused):
        plan.hold(wallet, 7)
    plan.hold(wallet, -4)
    plan.post("usage", [(wallet, -10), (revenue, 10)], occurred_at=NOW)
    with pytest.raises(PostingRefused):
        plan.hold(wallet, -1)


def test_a_document_merges_the_plans_of_several_tenants() -> None:
    plans = [Plan(UUID(int=1)), Plan(UUID(int=2)), Plan(UUID(int=3))]
    for plan in plans[:2]:
        plan.post("grant", [(account("wallet"), 1), (account("granted"), -1)], occurred_at=NOW, reference="r")

    merged = dict(zip(PARTS, documents(plans), strict=True))

    for part, tenants in (("transactions", [1, 2]), ("entries", [1, 1, 2, 2]), ("accounts", [1, 1, 2, 2])):
        assert [row["tenant_id"] for row in orjson.loads(merged[part] or "")] == [
            str(UUID(int=number)) for number in tenants
        ]
    assert merged["events"] is None
