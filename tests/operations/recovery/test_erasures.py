"""Who was erased after the backup is gone in the restored copy, and its books, chains and invoices verify."""

from pathlib import Path

from sqlalchemy import text

from core.foundation.clock import wall_now
from core.foundation.settings import Settings
from core.operations.records.sealing import audit_heads, seal_all, verify_all
from core.operations.recovery import evidence
from core.operations.recovery.releasing import release_all
from core.worker.app import run_until_idle
from tests.billing.invoices.conftest import Shop
from tests.billing.invoices.conftest import open_shop as open_shop  # the fixtures
from tests.billing.invoices.conftest import shop as shop
from tests.operations.recovery.snapshots import TimeMachine
from tests.support.callers import Caller, invite
from tests.support.furnished import made


async def test_persons_erased_after_the_snapshot_are_gone_in_the_copy_and_all_of_it_verifies(
    shop: Shop, operator: Caller, machine: TimeMachine, settings: Settings, tmp_path: Path
) -> None:
    database = shop.runtime.database
    ada = await shop.customer("Ada")
    body = {"customerId": ada, "lines": [{"description": "Work", "amountMinor": 1_000}], "finalize": True}
    invoice = (await made(shop.caller.post("/billing/invoices", body)))["invoiceId"]
    member = await invite(shop.caller, "finance")
    await machine.take(database)
    await made(shop.caller.post(f"/billing/customers/{ada}/erasure"))
    await made(operator.post(f"/operations/users/{member.user_id}/erasure"))
    await run_until_idle(shop.runtime)  # the tombstones are noted outside of the database
    await machine.go_back(database)
    assert (await made(shop.caller.get(f"/billing/customers/{ada}")))["name"] == "Ada"
    alone = settings.model_copy(update={"stripe_secret_key": None})
    assert await release_all(database, alone, by="a test") is not None
    (kept,) = await evidence.list_pieces(database, kind="release")
    assert kept.document["erasedAgain"] == 2
    assert (await made(shop.caller.get(f"/billing/customers/{ada}")))["name"] is None
    shown = [row for row in (await made(shop.caller.get("/auth/members")))["data"] if row["userId"] == member.user_id]
    assert [(row["email"], row["name"]) for row in shown] == [(f"erased-{member.user_id}@erased.invalid", None)]
    async with database.reading() as session:
        tombstones = (await session.scalars(text("SELECT subject_kind FROM erasures ORDER BY subject_kind"))).all()
    assert tombstones == ["customer", "user"]
    computed = await made(shop.caller.get(f"/billing/invoices/{invoice}/recomputation"))
    assert computed["drifts"] == []
    # Signed anew: what a worker signed since the snapshot, once a minute, the copy has lost, which is named elsewhere.
    heads = audit_heads(settings.model_copy(update={"ledger_heads_path": tmp_path}))
    await seal_all(database, heads, now=wall_now().replace(year=2999))
    assert [finding async for finding in verify_all(database, heads)] == []
