"""The demo is made by calls of the API, exactly once, and goes on where it was broken off."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text

from core.billing.invoices.recomputing.recompute import Recomputed, recompute_all
from core.billing.ledger.heads import Heads
from core.billing.ledger.sealing import seal_all
from core.billing.ledger.signing import load_signing_keys
from core.billing.ledger.verification.verify import verify
from core.foundation.database import Database
from core.foundation.settings import Settings, SettingsInvalid
from core.operations.demo.create import create_demo, demo_password
from core.operations.demo.profiles import DAYS, PROFILES, Days
from core.operations.demo.tenant import DemoTenant

SMALL = (
    replace(PROFILES[0], calls=(3, 4), weekend=1.0, package="starter", customer_with_wallet=None),
    replace(PROFILES[3], calls=(3, 4), weekend=1.0, tokens=400_000, runs_dry_on_day=1, decline_on_day=1),
    replace(PROFILES[4], calls=(2, 3), weekend=1.0, refund_on_day=2, owes=True),
)


def test_a_day_is_the_same_whenever_it_is_asked_for() -> None:
    days = Days(PROFILES[0])
    assert days.calls(30, weekday=2) == Days(PROFILES[0]).calls(30, weekday=2)
    assert days.calls(30, weekday=2) != days.calls(31, weekday=2)
    assert len({profile.slug for profile in PROFILES}) == 12
    total = sum(len(Days(profile).calls(day, weekday=day % 7)) for profile in PROFILES for day in range(DAYS))
    assert 4_000 < total < 9_000


def test_the_password_follows_from_the_installations_key(settings: Settings) -> None:
    assert demo_password(settings) == demo_password(settings)
    with pytest.raises(SettingsInvalid):
        demo_password(settings.model_copy(update={"encryption_key": None}))


async def test_the_demo_is_made_once_and_goes_on_where_it_was_broken_off(
    installation: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, now = f"http://127.0.0.1:{installation.port}", datetime.now(UTC)
    seen: list[tuple[int, int]] = []

    async def create() -> bool:
        return await create_demo(
            installation,
            address=address,
            now=now,
            progress=lambda done, total: seen.append((done, total)),
            profiles=SMALL,
            days=4,
        )

    move = DemoTenant._move

    async def broken(self: DemoTenant, to: datetime) -> None:
        await move(self, to)
        if self.profile is SMALL[1] and (to - self.first_day).days == 2:
            raise ConnectionError("broken off")

    with monkeypatch.context() as patched:
        patched.setattr(DemoTenant, "_move", broken)
        with pytest.raises(ConnectionError, match="broken off"):
            await create()
    seen.clear()
    assert await create() is True
    assert seen[-1][1] == 12
    before = await _counts(database)
    assert await create() is False
    assert await _counts(database) == before
    assert before["tenants"] == 3
    wanted = [
        len(Days(profile).calls(day, weekday=(now.weekday() + day - 3) % 7)) for profile in SMALL for day in range(4)
    ]
    # What was reserved and then given up, or refused a hold, is no call.
    assert sum(wanted) - 6 <= before["calls"] <= sum(wanted)
    assert (before["refunds"], before["declined"]) == (1, 1)
    assert before["refused"] > 0
    # Five customers of two tenants are billed ahead on the first day, and each invoice can be worked out anew.
    assert before["invoices"] >= 5
    result = Recomputed()
    assert [drift async for drift in recompute_all(database, result=result)] == []
    assert (result.recomputed, result.drifted) == (before["invoices"], 0)

    heads = Heads(installation.heads_path, load_signing_keys(installation))
    await seal_all(database, heads)
    assert [finding async for finding in verify(database, heads)] == []


async def _counts(database: Database) -> dict[str, Any]:
    queries = {
        "tenants": "SELECT count(*) FROM tenants WHERE is_test",
        "calls": "SELECT count(DISTINCT idempotency_key || tenant_id) FROM usage_events WHERE event_name IS NULL",
        "invoices": "SELECT count(*) FROM invoices WHERE origin = 'run' AND number IS NOT NULL",
        "refused": "SELECT count(*) FROM usage_events WHERE outcome = 'refused'",
        "transactions": "SELECT count(*) FROM ledger_transactions",
        "refunds": "SELECT count(*) FROM refunds",
        "declined": "SELECT count(*) FROM purchases WHERE state = 'failed'",
        "keys": "SELECT count(*) FROM api_keys",
    }
    async with database.reading() as session:
        return {name: await session.scalar(text(query)) for name, query in queries.items()}
