"""What the run asks of the database does not grow with the customers that are billed together."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, event, text

from core.billing.invoices.running import run_tenant
from tests.billing.invoices.conftest import Shop, flat, metered
from tests.support.furnished import made


@contextmanager
def statements() -> Iterator[list[str]]:
    """Those that are sent to the database meanwhile."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)


async def run_at(shop: Shop, now: str) -> list[str]:
    """The run alone, with the clock put forward and nothing else done on the way; its statements."""
    async with shop.runtime.database.tenant(shop.tenant_id) as session:
        await session.execute(text(f"UPDATE tenant_clocks SET now_at = '{now}'"))
    with statements() as seen:
        await run_tenant(shop.runtime.database, shop.tenant_id)
    return seen


async def test_a_dozen_renewed_and_billed_together_cost_no_more_statements_than_one(shop: Shop) -> None:
    await shop.settings(graceHours=0)
    meter = {"code": "calls", "name": "Calls", "aggregation": "count", "eventName": "calls"}
    await made(shop.caller.post("/billing/meters", meter))
    await shop.plan(flat("29"), metered("0.10"))
    await shop.subscribe(await shop.customer())
    await shop.move("2026-02-27T00:00:00Z")
    of_one = await run_at(shop, "2026-03-01T00:00:00Z")
    assert len(await shop.invoices()) == 2
    for number in range(11):
        await shop.subscribe(await shop.customer(f"Customer {number}"))
    await shop.move("2026-03-30T00:00:00Z")
    of_a_dozen = await run_at(shop, "2026-04-02T00:00:00Z")
    assert len([one for one in await shop.invoices() if one["number"]]) == 2 + 11 + 12
    assert len(of_a_dozen) <= len(of_one)
