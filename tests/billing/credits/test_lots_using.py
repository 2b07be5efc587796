"""Which credits a charge uses: by priority, then the earlier end, then granted before paid, then the older."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.billing.credits.lots.using import Book, Lot, Moved, Use, reserved
from core.foundation.ids import new_id

JUNE, JULY = datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC)
NOW = datetime(2026, 5, 1, tzinfo=UTC)


def lot(
    number: int,
    remaining: int,
    *,
    kind: str = "granted",
    priority: int = 50,
    expires_at: datetime | None = None,
    version: int | None = None,
) -> Lot:
    return Lot(UUID(int=number), kind, priority, expires_at, version or number, remaining)


def book(*lots: Lot, version: int = 100) -> Book:
    return Book(version, 0, {one.id: one for one in lots})


def moved(version: int, amount: int, kind: str = "usage", reference: str | None = None) -> Moved:
    return Moved(version, amount, kind, reference, uuid4(), NOW)


def left(of: Book) -> dict[int, int]:
    return {key.int: one.remaining_micro for key, one in of.lots.items()}


def test_lower_priority_goes_first_then_the_earlier_end_then_granted_then_the_older() -> None:
    lots = (
        lot(1, 10, kind="paid"),
        lot(2, 10, kind="granted"),
        lot(3, 10, expires_at=JULY),
        lot(4, 10, expires_at=JUNE),
        lot(5, 10, priority=10),
        lot(6, 10, kind="paid", expires_at=JUNE),
    )
    assert [one.id.int for one in book(*lots).in_order()] == [5, 4, 6, 3, 2, 1]
    used = book(*lots)
    used.follow([moved(101, -25)], new_id=new_id)
    assert left(used) == {1: 10, 2: 10, 3: 10, 4: 0, 5: 0, 6: 5}
    assert used.uses == [
        Use(UUID(int=5), 101, 101, 10),
        Use(UUID(int=4), 101, 101, 10),
        Use(UUID(int=6), 101, 101, 5),
    ]


def test_entries_on_one_lot_that_follow_each_other_are_one_row() -> None:
    used = book(lot(1, 100))
    used.follow([moved(101, -10), moved(102, -20), moved(103, 50, "purchase"), moved(104, -5)], new_id=new_id)
    assert used.uses == [Use(UUID(int=1), 101, 102, 30), Use(UUID(int=1), 104, 104, 5)]


def test_money_that_goes_back_comes_from_paid_lots_the_newest_first() -> None:
    used = book(lot(1, 10, kind="paid"), lot(2, 10, priority=0), lot(3, 10, kind="paid"))
    used.follow([moved(101, -15, "refund", "r")], new_id=new_id)
    assert left(used) == {1: 5, 2: 10, 3: 0}


def test_an_expiry_takes_its_own_lot() -> None:
    used = book(lot(1, 10, priority=0), lot(2, 10, expires_at=JUNE))
    used.follow([moved(101, -10, "expiry", f"{UUID(int=2)}:101")], new_id=new_id)
    assert left(used) == {1: 10, 2: 0}


def test_what_was_taken_beyond_all_lots_is_filled_first() -> None:
    used = book(lot(1, 10))
    used.follow([moved(101, -30), moved(102, 50, "purchase")], new_id=new_id)
    assert (used.owed_micro, used.balance_micro) == (0, 30)


def test_what_was_granted_with_terms_is_opened_by_its_own_entry() -> None:
    used = book(lot(1, 10))
    used.coming[102] = lot(9, 0, priority=1, version=102)
    used.follow([moved(101, -5), moved(102, 20, "grant"), moved(103, -15)], new_id=new_id)
    assert left(used) == {1: 5, 9: 5}
    assert used.opened == []


def test_a_gap_in_the_entries_is_refused() -> None:
    with pytest.raises(ValueError, match="entry 102 does not follow 100"):
        book().follow([moved(102, 1, "grant")], new_id=new_id)


def test_holds_reserve_in_the_order_of_use() -> None:
    order = book(lot(1, 10), lot(2, 10, priority=0), lot(3, 10, expires_at=JUNE)).in_order()
    assert {key.int: kept for key, kept in reserved(order, 15).items()} == {2: 10, 3: 5, 1: 0}


KINDS = st.sampled_from(["usage", "refund", "dispute", "adjustment", "grant", "purchase", "invoice"])


@given(st.lists(st.tuples(st.integers(-1000, 1000), KINDS), max_size=60), st.integers(1, 7))
def test_lots_say_the_balance_after_every_entry_and_do_not_depend_on_how_often_they_are_brought_up_to_date(
    amounts: list[tuple[int, str]], step: int
) -> None:
    entries = [moved(number, amount, kind) for number, (amount, kind) in enumerate(amounts, start=1)]
    numbers = iter(range(1, 1000))
    whole = Book(0, 0, {})
    whole.follow(entries, new_id=lambda: UUID(int=next(numbers)))
    again, parts = iter(range(1, 1000)), Book(0, 0, {})
    for start in range(0, len(entries), step):
        parts.follow(entries[start : start + step], new_id=lambda: UUID(int=next(again)))
        assert parts.balance_micro == sum(entry.amount_micro for entry in entries[: start + step])
        assert all(one.remaining_micro >= 0 for one in parts.lots.values())
    assert left(parts) == left(whole)
    assert parts.owed_micro == whole.owed_micro
    assert sum(use.amount_micro for use in parts.uses) == sum(use.amount_micro for use in whole.uses)
