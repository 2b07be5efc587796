"""Numbers of invoices after a restore: one that the lost copy gave out is given to nobody else, and it is said why."""

from collections.abc import Awaitable, Callable
from typing import Any

from core.foundation.settings import Settings
from core.operations.recovery import evidence, holding, numbers
from core.operations.recovery.releasing import Released, release_all
from tests.billing.invoices.conftest import Shop
from tests.billing.invoices.conftest import open_shop as open_shop  # the fixtures
from tests.billing.invoices.conftest import shop as shop
from tests.operations.recovery.snapshots import TimeMachine
from tests.support.furnished import made


async def _bill(shop: Shop, customer: str, *, times: int = 1) -> list[str]:
    """The numbers of invoices that are made final at once."""
    body = {"customerId": customer, "lines": [{"description": "Work", "amountMinor": 1_000}], "finalize": True}
    return [(await made(shop.caller.post("/billing/invoices", body)))["number"] for _ in range(times)]


async def _release(shop: Shop, settings: Settings) -> Released:
    alone = settings.model_copy(update={"stripe_secret_key": None})  # test_releasing.py asks the payment provider
    released = await release_all(shop.runtime.database, alone, by="a test")
    assert released is not None
    return released


async def _skipped(connect: Callable[..., Awaitable[Any]]) -> list[tuple[str, int, int, int]]:
    owner = await connect("admin")
    rows = await owner.execute(
        "SELECT series, min(sequence), max(sequence), count(DISTINCT reason) FROM invoice_numbers"
        " WHERE kind = 'skipped' GROUP BY series ORDER BY series"
    )
    return await rows.fetchall()


async def test_a_number_that_the_lost_copy_gave_out_is_never_given_twice_and_it_is_said_why(
    shop: Shop, machine: TimeMachine, settings: Settings, connect: Callable[..., Awaitable[Any]]
) -> None:
    ada = await shop.customer("Ada")
    assert await _bill(shop, ada, times=2) == ["INV-00001", "INV-00002"]
    await machine.take(shop.runtime.database)
    assert await _bill(shop, ada, times=3) == ["INV-00003", "INV-00004", "INV-00005"]  # printed, sent, and lost
    await machine.go_back(shop.runtime.database)
    refused = await shop.caller.post(
        "/billing/invoices", {"customerId": ada, "lines": [{"description": "W", "amountMinor": 1}], "finalize": True}
    )
    assert (refused.status_code, refused.json()["code"]) == (409, "numbers_held")
    released = await _release(shop, settings)
    # Of each series a hundred, and twice what was ever given out in so short a time: the two that are known.
    assert await _skipped(connect) == [("CN-", 1, 100, 1), ("INV-", 3, 106, 1)]
    assert released.numbers == 204
    listed = (await shop.caller.get("/billing/skipped-numbers")).json()
    assert [(row["series"], row["first"], row["last"], row["count"]) for row in listed["data"]] == [
        ("CN-", "CN-00001", "CN-00100", 100),
        ("INV-", "INV-00003", "INV-00106", 104),
    ]
    first = (await shop.caller.get("/billing/skipped-numbers?limit=1")).json()
    second = (await shop.caller.get(f"/billing/skipped-numbers?limit=1&cursor={first['nextCursor']}")).json()
    assert (first["data"] + second["data"], second["nextCursor"]) == (listed["data"], None)
    assert await _bill(shop, ada) == ["INV-00107"]
    owner = await connect("admin")
    row = await (await owner.execute("SELECT DISTINCT reason FROM invoice_numbers WHERE kind = 'skipped'")).fetchone()
    assert {one["reason"] for one in listed["data"]} == {row[0]}
    assert row[0].startswith(f"restored as again, with the state of {machine.taken_at:%Y-%m-%dT%H:%M:%SZ}: it may have")
    (kept,) = await evidence.list_pieces(shop.runtime.database, kind="release")
    assert kept.document["numbersSkipped"] == {"tenants": 1, "numbers": 204, "known_until": None}


async def test_what_was_noted_outside_of_the_database_is_skipped_exactly(
    shop: Shop, machine: TimeMachine, settings: Settings, connect: Callable[..., Awaitable[Any]]
) -> None:
    ada = await shop.customer("Ada")
    await machine.take(shop.runtime.database)
    assert (await _bill(shop, ada, times=5))[-1] == "INV-00005"
    assert await numbers.see_numbers(shop.runtime.database, settings) == {}  # as the worker does each minute
    await machine.go_back(shop.runtime.database)
    held = await numbers.see_numbers(shop.runtime.database, settings)  # and once more, held: nothing is forgotten
    assert held["series"] == {str(shop.tenant_id): {"INV-": 5}}
    await _release(shop, settings)
    assert await _skipped(connect) == [("CN-", 1, 100, 1), ("INV-", 1, 105, 1)]
    assert await _bill(shop, ada) == ["INV-00106"]
    await numbers.see_numbers(shop.runtime.database, settings)
    noted = numbers.find_noted(settings)
    assert noted is not None
    assert noted.series == {str(shop.tenant_id): {"INV-": 106, "CN-": 100}}


async def test_a_release_that_was_cut_off_skips_nothing_twice_and_a_forged_note_is_not_believed(
    shop: Shop, machine: TimeMachine, settings: Settings, connect: Callable[..., Awaitable[Any]]
) -> None:
    await _bill(shop, await shop.customer("Ada"))
    await numbers.see_numbers(shop.runtime.database, settings)
    path = settings.heads_path / "invoice-numbers.json"
    path.write_bytes(path.read_bytes().replace(b'"INV-":1', b'"INV-":9'))
    assert numbers.find_noted(settings) is None
    await machine.take(shop.runtime.database)
    await machine.go_back(shop.runtime.database)
    holds = await holding.list_open(shop.runtime.database)
    assert (await numbers.skip_after(shop.runtime.database, settings, holds)).numbers == 202
    assert (await _release(shop, settings)).numbers == 0
    assert await _skipped(connect) == [("CN-", 1, 100, 1), ("INV-", 2, 103, 1)]


async def test_where_nothing_was_lost_numbers_go_on_without_a_gap(
    shop: Shop, settings: Settings, connect: Callable[..., Awaitable[Any]]
) -> None:
    ada = await shop.customer("Ada")
    owner = await connect("owner")
    await owner.execute(
        "INSERT INTO worker_holds (id, reason, state_of, nothing_lost, held_at)"
        " VALUES (gen_random_uuid(), 'failed over', now(), true, now())"
    )
    await owner.commit()
    assert await _bill(shop, ada) == ["INV-00001"]
    assert (await _release(shop, settings)).numbers == 0
    assert await _bill(shop, ada) == ["INV-00002"]
