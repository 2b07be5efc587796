"""Charging killed at its lines and begun again: of each invoice the provider has one payment, and so have the books."""

import asyncio
import json
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from itertools import cycle
from pathlib import Path
from typing import Any

import psycopg
import pytest

from core.billing.ledger.heads import Heads
from core.billing.ledger.signing import load_signing_keys
from core.billing.ledger.verification.verify import verify
from core.billing.payments.providers.stripe_saved_objects import INVOICE_KEY
from core.billing.payments.reconciling import comparing
from core.billing.payments.reconciling.reconcile import reconcile
from core.foundation.settings import Settings
from tests.billing.payments.paid import Paid
from tests.support import environment
from tests.support.furnished import made
from tests.support.servers import ROOT, Role

Connection = psycopg.AsyncConnection[Any]

START = datetime(2026, 1, 31, 10, tzinfo=UTC)
TOP_UP_MINOR = 500


class Story:
    """In each round two customers owe a sum of their own, a third one's card is refused at first, a wallet is low."""

    def __init__(self, paid: Paid, settings: Settings, admin: Connection, folder: Path) -> None:
        self.paid = paid
        self.rounds = 0
        self.owed: dict[str, int] = {}
        """Invoices by id, with what is owed for each, in minor units."""
        self._refused: set[str] = set()
        self._admin = admin
        self._folder = folder
        self._environment = environment.of_process(settings)
        self._customers: list[str] = []

    async def begin(self) -> None:
        """Three customers with a card each, and a wallet with one."""
        tenant = self.paid.tenant
        for name, card in (("ada", "pm_card_visa"), ("eve", "pm_card_visa"), ("bob", "pm_card_mastercard")):
            self._customers.append(await self.paid.customer(name, card))
        await self.paid.save_card()
        self._wallet = (await made(tenant.get("/billing/wallets/self")))["customerId"]

    async def owe(self) -> None:
        """A round begins, five days after the one before."""
        self.rounds += 1
        await self._set_clock(timedelta(days=5 * self.rounds))
        self.paid.turn_card("4444", decline_code="insufficient_funds")
        for place, customer in enumerate(self._customers):
            amount = 1_000 * self.rounds + place
            invoice_id = (await self.paid.bill(customer, amount))["invoiceId"]
            self.owed[invoice_id] = amount
            if place == 2:
                self._refused.add(invoice_id)
        top_up = {"packageCode": "starter", "below": str(5 * self.rounds), "monthlyLimitMinor": 100_000_000}
        await made(self.paid.tenant.request("PUT", f"/billing/wallets/{self._wallet}/watch", json={"topUp": top_up}))

    async def try_again(self) -> None:
        """Three days later the card that was refused is good."""
        self.paid.turn_card("4444", card="pm_card_mastercard")
        await self._set_clock(timedelta(days=5 * self.rounds + 3))

    async def charge(self, **order: Any) -> int:
        """What is due, in a process of its own; its exit code: 0, or the kill's."""
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.charging_killed", str(self.paid.tenant_id), json.dumps(order)],
            cwd=ROOT,
            env=self._environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        _, said = await asyncio.to_thread(process.communicate, timeout=120)
        assert process.returncode in (0, -9), said
        return process.returncode

    async def counted(self, phase: str) -> dict[str, int]:
        """The same, whole; how often each line was run."""
        kept = self._folder / f"{phase}.json"
        assert await self.charge(count=str(kept)) == 0
        return json.loads(kept.read_text(encoding="utf-8"))

    async def check(self, settings: Settings) -> None:
        """The provider is the witness: one payment of each invoice and each top-up; the books say the same."""
        await self.paid.work()  # jobs of charges that were made long ago charge nothing
        found = self.paid.client.v1.payment_intents.list({"limit": 100}).auto_paging_iter()
        paid = [(one.metadata.to_dict(), one.amount_received) for one in found if one.status == "succeeded"]
        charged = [(given[INVOICE_KEY], amount) for given, amount in paid if INVOICE_KEY in given]
        assert sorted(charged) == sorted(self.owed.items())
        assert [amount for given, amount in paid if INVOICE_KEY not in given] == [TOP_UP_MINOR] * self.rounds

        rows = await self._admin.execute(
            "SELECT i.id::text, i.state, i.paid_minor, (SELECT sum(a.amount_minor) FROM invoice_payments a "
            "WHERE a.tenant_id = i.tenant_id AND a.invoice_id = i.id) FROM invoices i WHERE i.tenant_id = %s",
            [self.paid.tenant_id],
        )
        assert {row[0]: row[1:] for row in await rows.fetchall()} == {
            one: ("paid", amount, amount) for one, amount in self.owed.items()
        }
        told = Counter((kind, one["invoiceId"]) for kind, one in await self.paid.told() if "invoiceId" in one)
        for kind, about in (("invoice.paid", self.owed), ("payment.succeeded", self.owed),
                            ("payment.failed", self._refused), ("dunning.recovered", self._refused)):  # fmt: skip
            assert {one: count for (said, one), count in told.items() if said == kind} == dict.fromkeys(about, 1), kind
        assert len(await self.paid.told("credits.topped_up")) == self.rounds
        assert await self.paid.wallet() == (str(5 * self.rounds), str(5 * self.rounds), "0")

        database, wall = self.paid.runtime.database, datetime.now(UTC)
        done = await reconcile(database, settings, since=wall - timedelta(days=1), wall=wall)
        assert done.findings == []
        heads = Heads(settings.heads_path, load_signing_keys(settings))
        assert [str(one) async for one in verify(database, heads, slug="paid")] == []

    async def _set_clock(self, after: timedelta) -> None:
        # Without doing what is due.
        await self._admin.execute(
            "UPDATE tenant_clocks SET now_at = %s WHERE tenant_id = %s", [START + after, self.paid.tenant_id]
        )


@pytest.fixture
async def story(
    paid: Paid, settings: Settings, connect: Callable[[Role], Awaitable[Connection]], tmp_path: Path
) -> Story:
    """Begun on 31 January."""
    admin = await connect("admin")
    await admin.set_autocommit(True)
    story = Story(paid, settings, admin, tmp_path)
    await story.begin()
    return story


async def test_killed_at_any_of_its_lines_charging_charges_each_invoice_once(
    story: Story,
    settings: Settings,
    pytestconfig: pytest.Config,
    record_property: Callable[[str, object], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(comparing, "GRACE", timedelta(0))
    kills, chance = pytestconfig.getoption("--proof-count") or 2, random.Random(pytestconfig.getoption("--proof-seed"))
    await story.owe()
    charging = await story.counted("charging")
    await story.try_again()
    retrying = await story.counted("retrying")
    phases = {"charging": sorted(charging), "retrying": sorted(retrying)}
    for lines in phases.values():
        chance.shuffle(lines)
    killed = {name: cycle(lines) for name, lines in phases.items()}
    done: set[str] = set()
    for number in range(kills):
        phase, lines = (("charging", charging), ("retrying", retrying))[number % 2]
        await (story.owe() if phase == "charging" else story.try_again())
        at = next(killed[phase])
        if await story.charge(at=at, time=chance.randint(1, lines[at])) == -9:
            done.add(at)
        assert await story.charge() == 0
    if kills % 2:
        await story.try_again()
        assert await story.charge() == 0
    assert len(done) >= kills // 2
    await story.check(settings)
    whole = len(set(charging) | set(retrying))
    record_property(
        "result",
        f"killed {kills} times at {len(done)} of {whole} lines: {len(story.owed)} invoices and {story.rounds} top-ups "
        "charged once each at the provider, told of once, reconciled to zero, the ledger verified",
    )
