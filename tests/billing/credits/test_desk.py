"""One group books calls, reservations and releases: each member gets its own answer, and none spoils another's."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from core.billing.credits import booking, service
from core.billing.credits.booking import Request
from core.billing.credits.charges import Charges
from core.billing.credits.charging import Call, Charged, Refused
from core.billing.credits.errors import HoldNotFound, HoldNotOpen, InsufficientCredits
from core.billing.credits.lane import Lane
from core.billing.credits.reserving import Release, Released, Reservation, Reserved
from core.billing.credits.resolving import Resolver
from core.foundation.errors import CloudBillError, KeyInFlight, KeyReused
from core.foundation.ids import new_id
from core.foundation.runtime import Runtime
from core.identity.errors import CustomerForbidden
from tests.support.books import Books, open_books


@pytest.fixture
async def books(runtime: Runtime) -> Books:
    """A tenant with credits for 5.00."""
    books = await open_books(runtime.database)
    await books.top_up(5_000_000)
    return books


@pytest.fixture
async def start_desk(runtime: Runtime) -> AsyncIterator[Callable[[], Charges]]:
    """`start_desk()`: one more process that books, closed after the test."""
    desks: list[Charges] = []

    def start() -> Charges:
        desks.append(Charges(runtime.database))
        desks[-1].start()
        return desks[-1]

    yield start
    for desk in desks:
        await desk.close()


@pytest.fixture
async def charges(start_desk: Callable[[], Charges]) -> Charges:
    """A desk."""
    return start_desk()


def call(books: Books, **fields: Any) -> Call:
    """A call to gpt-4o that costs 0.0075."""
    tokens = {"input_tokens": 1000, "cached_tokens": 0, "output_tokens": 500}
    return Call(**{"tenant_id": books.tenant_id, "model": "gpt-4o", **tokens, "key": uuid4().hex, **fields})


def reservation(books: Books, amount_micro: int, **fields: Any) -> Reservation:
    given = {"key": uuid4().hex, "time_to_live": timedelta(minutes=5), "amount_micro": amount_micro, **fields}
    return Reservation(books.tenant_id, **given)


async def money(books: Books) -> tuple[int, int, int]:
    """Balance, held and owed, as the database has them."""
    async with books.database.tenant(books.tenant_id) as session:
        wallet = await service.wallet(session, tenant_id=books.tenant_id, customer_id=books.tenant_id, currency="USD")
    return wallet.balance_micro, wallet.held_micro, wallet.receivable_micro


async def holds(books: Books) -> dict[UUID, tuple[str, str]]:
    """Each hold's state, and the database's transaction that wrote it last."""
    async with books.database.tenant(books.tenant_id) as session:
        rows = await session.execute(text("SELECT id, state, xmin::text AS written_by FROM holds"))
        return {row.id: (row.state, row.written_by) for row in rows}


async def test_one_transaction_settles_reserves_and_releases_on_the_same_wallet(
    runtime: Runtime, books: Books, charges: Charges
) -> None:
    other = await open_books(runtime.database, "other")
    await other.top_up(1_000_000)
    settled_before = await charges.reserve(reservation(books, 100_000))
    await charges.settle(call(books, hold_id=settled_before.hold_id))  # 4_992_500 left, and the accounts are there
    first, second = [await charges.reserve(reservation(books, amount)) for amount in (1_000_000, 500_000)]
    foreign = await charges.reserve(reservation(other, 1_000_000))
    terms = await Resolver(runtime.database).terms_of(books.tenant_id)
    rest = reservation(books, 4_985_000)
    asked = [
        reservation(books, 3_492_501),  # one micro more than is free
        call(books, hold_id=first.hold_id),
        Release(books.tenant_id, second.hold_id, customer_id=new_id()),
        Release(books.tenant_id, second.hold_id),
        rest,
        call(books),
        Release(books.tenant_id, first.hold_id),
        Release(books.tenant_id, settled_before.hold_id),
        Release(books.tenant_id, foreign.hold_id),
        Release(books.tenant_id, new_id()),
        Release(books.tenant_id, second.hold_id),
        replace(rest, amount_micro=1),
        rest,
    ]
    lane = Lane(runtime.settings.app_url, lock_timeout_ms=5_000)

    outcomes: list[Any] = await lane.book([Request(one, terms) for one in asked])

    await lane.close()
    assert [type(outcome) for outcome in outcomes] == [
        InsufficientCredits,
        Charged,
        CustomerForbidden,
        Released,
        Reserved,
        Refused,
        HoldNotOpen,
        HoldNotOpen,
        HoldNotFound,
        HoldNotFound,
        Released,
        KeyReused,
        Reserved,
    ]
    beyond, charged, _, released, reserved, refused, *_, released_again, _, reserved_again = outcomes
    assert (beyond.extra["available"], beyond.extra["shortfall"]) == ("3.4925", "0.000001")
    assert (charged.charged_micro, charged.balance_micro, charged.available_micro) == (7_500, 4_985_000, 4_485_000)
    assert (released.hold_id, released.state, released.amount_micro) == (second.hold_id, "released", 500_000)
    assert released_again == released
    assert (reserved.balance_micro, reserved.available_micro) == (4_985_000, 0)
    assert (refused.error.extra["available"], refused.error.extra["required"]) == ("0", "0.0075")
    assert reserved_again == replace(reserved, replayed=True)
    assert await money(books) == (4_985_000, 4_985_000, 0)
    written = await holds(books)
    assert [written[one.hold_id][0] for one in (first, second, reserved)] == ["settled", "released", "open"]
    assert len({written[one.hold_id][1] for one in (first, second, reserved)}) == 1
    assert await money(other) == (1_000_000, 1_000_000, 0)


async def test_reserving_and_settling_at_once_never_pass_the_floor(
    runtime: Runtime, start_desk: Callable[[], Charges]
) -> None:
    books = await open_books(runtime.database)
    await books.top_up(30 * 7_500)
    desks = [start_desk(), start_desk()]

    async def attempt(number: int) -> str:
        desk = desks[number % 2]
        try:
            if number % 4 < 2:
                await desk.settle(call(books))
                return "settled"
            await desk.reserve(reservation(books, 7_500))
        except InsufficientCredits:
            return "refused"
        return "held"

    outcomes = await asyncio.gather(*(attempt(number) for number in range(120)))

    settled, held = outcomes.count("settled"), outcomes.count("held")
    assert (settled + held, outcomes.count("refused")) == (30, 90)
    assert await money(books) == ((30 - settled) * 7_500, held * 7_500, 0)


async def test_one_hold_key_sent_to_several_processes_makes_one_hold(
    books: Books, start_desk: Callable[[], Charges]
) -> None:
    desks = [start_desk(), start_desk()]

    for _ in range(10):
        wanted = reservation(books, 1_000)
        reserved = await asyncio.gather(*(desk.reserve(wanted) for desk in desks))
        assert sorted(one.replayed for one in reserved) == [False, True]
        assert replace(reserved[0], replayed=True) == replace(reserved[1], replayed=True)

        other = reservation(books, 1_000)
        answers = await asyncio.gather(
            desks[0].reserve(other), desks[1].reserve(replace(other, amount_micro=2_000)), return_exceptions=True
        )
        assert sorted(type(answer).__name__ for answer in answers) == ["KeyReused", "Reserved"]

    assert len(await holds(books)) == 20


async def test_keys_of_holds_and_of_usage_are_two_spaces_of_names(books: Books, charges: Charges) -> None:
    wanted = reservation(books, 1_000_000, key="the-same")

    reserved, again, charged = await asyncio.gather(
        charges.reserve(wanted),
        charges.reserve(wanted),
        charges.settle(call(books, key="the-same")),
        return_exceptions=True,
    )

    assert isinstance(reserved, Reserved)
    assert isinstance(charged, Charged)
    assert isinstance(again, KeyInFlight)
    assert again.headers == {"Retry-After": "1"}
    assert await charges.reserve(wanted) == replace(reserved, replayed=True)
    assert await money(books) == (4_992_500, 1_000_000, 0)


@pytest.mark.parametrize("arrived", [True, False], ids=["committed", "not committed"])
async def test_a_commit_without_an_answer_books_once_and_answers_as_the_first(
    books: Books, charges: Charges, monkeypatch: pytest.MonkeyPatch, arrived: bool
) -> None:
    given_back = await charges.reserve(reservation(books, 2_000_000))
    await charges.settle(call(books))
    commit, lost = booking._commit, 0

    async def lose(connection: booking.Connection, plans: Any, outcomes: Any) -> None:
        nonlocal lost
        lost += 1
        monkeypatch.setattr(booking, "_commit", commit)
        if arrived:
            await commit(connection, plans, outcomes)
        await connection.close()
        raise booking.CommitUnknown(outcomes)

    monkeypatch.setattr(booking, "_commit", lose)
    reserved, charged, released = await asyncio.gather(
        charges.reserve(reservation(books, 1_000_000)),
        charges.settle(call(books)),
        charges.release(Release(books.tenant_id, given_back.hold_id)),
    )

    assert lost == 1
    assert (reserved.amount_micro, reserved.replayed, charged.charged_micro, charged.replayed) == (
        1_000_000,
        False,
        7_500,
        False,
    )
    assert released.state == "released"
    assert await money(books) == (4_985_000, 1_000_000, 0)
    assert {hold: state for hold, (state, _) in (await holds(books)).items()} == {
        given_back.hold_id: "released",
        reserved.hold_id: "open",
    }


async def test_a_bad_member_harms_nobody(books: Books, charges: Charges) -> None:
    kept = await charges.reserve(reservation(books, 1_000_000))
    bad = reservation(books, 1_000, key="no \x00 in a text")  # the database refuses to read it

    refused, reserved, charged, released = await asyncio.gather(
        charges.reserve(bad),
        charges.reserve(reservation(books, 2_000_000)),
        charges.settle(call(books)),
        charges.release(Release(books.tenant_id, kept.hold_id)),
        return_exceptions=True,
    )

    assert isinstance(refused, CloudBillError)
    assert refused.status == 500
    assert [type(one) for one in (reserved, charged, released)] == [Reserved, Charged, Released]
    assert await money(books) == (4_992_500, 2_000_000, 0)
    assert charges.waiting == 0


async def test_a_customer_never_seen_reserves(books: Books, charges: Charges) -> None:
    wanted = [reservation(books, 1_000, user_id="never-seen") for _ in range(5)]

    reserved = await asyncio.gather(*(charges.reserve(one) for one in wanted))

    assert min(one.available_micro for one in reserved) == 4_995_000
    released = await charges.release(Release(books.tenant_id, reserved[0].hold_id))
    assert released.customer_id != books.tenant_id
    with pytest.raises(CustomerForbidden):
        await charges.release(Release(books.tenant_id, reserved[1].hold_id, customer_id=books.tenant_id))


async def test_many_first_requests_ask_and_prepare_once(
    runtime: Runtime, books: Books, charges: Charges, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many come at once, the connections that all requests share are not used up by them."""
    opened = 0
    tenant = runtime.database.tenant

    def counted(tenant_id: UUID) -> Any:
        nonlocal opened
        opened += 1
        return tenant(tenant_id)

    monkeypatch.setattr(runtime.database, "tenant", counted)

    await asyncio.gather(*(charges.settle(call(books, user_id="never-seen")) for _ in range(100)))

    assert opened == 3  # its terms, the customer, and the accounts of the payer
    monkeypatch.undo()
    assert await money(books) == (4_250_000, 0, 0)
