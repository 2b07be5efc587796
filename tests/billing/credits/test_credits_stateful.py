"""Credits behave like a small model of them, whatever is done in whatever order, against the real database.

`CLOUDBILL_PROOF_EXAMPLES` is how many stories are told (default 4), `CLOUDBILL_PROOF_STEPS` how long each is.
"""

import asyncio
import os
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import text

from core.billing.credits import service
from core.billing.credits.charges import Charges
from core.billing.credits.charging import Call
from core.billing.credits.errors import HoldNotOpen, InsufficientCredits
from core.billing.credits.holding import HoldExpiry
from core.billing.credits.reserving import Release, Reservation
from core.billing.pricing.rating import recompute
from core.foundation.database import Database
from core.foundation.errors import KeyReused
from core.foundation.ids import new_id
from core.foundation.settings import Settings

EXAMPLES = int(os.environ.get("CLOUDBILL_PROOF_EXAMPLES", "4"))
STEPS = int(os.environ.get("CLOUDBILL_PROOF_STEPS", "30"))
START = datetime(2026, 3, 1, tzinfo=UTC)
Result = TypeVar("Result")

amounts = st.integers(min_value=1, max_value=2_000_000)
output_tokens = st.integers(min_value=0, max_value=100_000)  # 10 micro each


@dataclass
class HoldModel:
    amount: int
    expires_at: datetime
    state: str = "open"


@dataclass
class Model:
    """What the wallet should be."""

    now: datetime = START
    balance: int = 0
    owed: int = 0
    earned: int = 0
    policy: str = "refuse"
    holds: dict[UUID, HoldModel] = field(default_factory=dict)
    settled: dict[str, tuple[Call, Any]] = field(default_factory=dict)
    refused: dict[str, Call] = field(default_factory=dict)

    def is_open(self, hold: HoldModel) -> bool:
        return hold.state == "open" and hold.expires_at > self.now

    @property
    def held(self) -> int:
        return sum(hold.amount for hold in self.holds.values() if self.is_open(hold))

    @property
    def available(self) -> int:
        return self.balance - self.held

    def pay(self, cost: int) -> None:
        paid = min(cost, self.available)
        self.balance -= paid
        self.owed += cost - paid
        self.earned += cost


class Credits(RuleBasedStateMachine):
    """One tenant with one wallet; each step is done to it and to the model."""

    settings: Settings
    holds = Bundle("holds")
    keys = Bundle("keys")

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.model = Model()
        self.run(self._open())

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return self.runner.run(work)

    async def _open(self) -> None:
        self.database = Database(self.settings)
        self.charges = Charges(self.database)
        self.charges.start()
        self.tenant = new_id()
        values = {"t": self.tenant, "slug": f"t-{self.tenant.hex[-12:]}", "now": START}
        async with self.database.tenant(self.tenant) as session:
            for statement in (
                "INSERT INTO tenants (id, slug, name, currency, is_test, created_at) "
                "VALUES (:t, :slug, 'Model', 'USD', true, :now)",
                "INSERT INTO customers (tenant_id, id, external_id, is_self, created_at) "
                "VALUES (:t, :t, 'self', true, :now)",
                "INSERT INTO tenant_clocks (tenant_id, now_at) VALUES (:t, :now)",
            ):
                await session.execute(text(statement), values)

    def teardown(self) -> None:
        self.run(self._close())
        self.runner.close()

    async def _close(self) -> None:
        await self.charges.close()
        await self._audit()
        await self.database.dispose()

    async def _audit(self) -> None:
        """Each event has its transaction and recomputes; each account is the sum of its entries."""
        async with self.database.reading() as session:
            events = (
                await session.execute(
                    text(
                        "SELECT e.transaction_id, e.amount_micro, e.arithmetic, e.outcome FROM usage_events e "
                        "WHERE e.tenant_id = :t"
                    ),
                    {"t": self.tenant},
                )
            ).all()
            sums = (
                await session.execute(
                    text(
                        "SELECT a.balance_micro, coalesce(sum(e.amount_micro), 0) FROM accounts a "
                        "LEFT JOIN ledger_entries e ON e.tenant_id = a.tenant_id AND e.account_id = a.id "
                        "WHERE a.tenant_id = :t GROUP BY a.id, a.balance_micro"
                    ),
                    {"t": self.tenant},
                )
            ).all()
        settled = [event for event in events if event.outcome == "settled"]
        assert {event.transaction_id for event in settled} == {
            charged.transaction_id for _, charged in self.model.settled.values()
        }
        assert len(settled) == len(self.model.settled)
        assert all(recompute(event.arithmetic) == event.amount_micro for event in events)
        assert all(balance == total for balance, total in sums)

    def _call(self, tokens: int, *, hold: UUID | None = None) -> Call:
        return Call(
            tenant_id=self.tenant,
            model="gpt-4o",
            input_tokens=0,
            cached_tokens=0,
            output_tokens=tokens,
            key=uuid4().hex,
            hold_id=hold,
        )

    def _reservation(self, amount: int, seconds: int) -> Reservation:
        return Reservation(self.tenant, uuid4().hex, timedelta(seconds=seconds), amount_micro=amount)

    def _where(self) -> dict[str, Any]:
        return {"tenant_id": self.tenant, "customer_id": self.tenant, "currency": "USD"}

    @rule(amount=amounts)
    def top_up(self, amount: int) -> None:
        async def work() -> None:
            async with self.database.tenant(self.tenant) as session:
                for _ in range(2):  # the second time is a repetition
                    await service.top_up(
                        session,
                        **self._where(),
                        amount_micro=amount,
                        kind="purchase",
                        reference=reference,
                        occurred_at=self.model.now,
                    )

        reference = uuid4().hex
        self.run(work())
        paid = min(amount, self.model.owed)
        self.model.owed -= paid
        self.model.balance += amount - paid

    @rule(amount=amounts)
    def take_back(self, amount: int) -> None:
        async def work() -> None:
            async with self.database.tenant(self.tenant) as session:
                first, second = [
                    await service.take_back(
                        session,
                        **self._where(),
                        amount_micro=amount,
                        kind="dispute",
                        reference=reference,
                        occurred_at=self.model.now,
                    )
                    for _ in range(2)
                ]
                assert first == second
                assert first.from_wallet_micro == min(amount, self.model.available)

        reference = uuid4().hex
        self.run(work())
        taken = min(amount, self.model.available)
        self.model.balance -= taken
        self.model.owed += amount - taken

    @rule(target=holds, amount=amounts, seconds=st.integers(min_value=1, max_value=3600))
    def reserve(self, amount: int, seconds: int) -> UUID | None:
        reservation = self._reservation(amount, seconds)
        if amount > self.model.available:
            with pytest.raises(InsufficientCredits):
                self.run(self.charges.reserve(reservation))
            return None
        reserved = self.run(self.charges.reserve(reservation))
        self.model.holds[reserved.hold_id] = HoldModel(amount, reserved.expires_at)
        assert (reserved.balance_micro, reserved.available_micro) == (self.model.balance, self.model.available)
        assert self.run(self.charges.reserve(reservation)) == replace(reserved, replayed=True)
        with pytest.raises(KeyReused):
            self.run(self.charges.reserve(replace(reservation, amount_micro=amount + 1)))
        return reserved.hold_id

    @rule(hold=holds)
    def release(self, hold: UUID | None) -> None:
        if hold is None:
            return

        known = self.model.holds[hold]
        if known.state == "settled":
            with pytest.raises(HoldNotOpen):
                self.run(self.charges.release(Release(self.tenant, hold)))
            return
        state = self.run(self.charges.release(Release(self.tenant, hold))).state
        assert state == (
            "released" if self.model.is_open(known) else known.state if known.state != "open" else "expired"
        )
        known.state = state

    @rule(target=keys, tokens=output_tokens)
    def charge(self, tokens: int) -> str:
        call = self._call(tokens)
        cost = 10 * tokens
        if cost > self.model.available and self.model.policy == "refuse":
            with pytest.raises(InsufficientCredits) as refusal:
                self.run(self.charges.settle(call))
            assert refusal.value.extra["required"] == service_text(cost)
            assert refusal.value.extra["shortfall"] == service_text(cost - self.model.available)
            self.model.refused[call.key] = call
            return call.key
        charged = self.run(self.charges.settle(call))
        self.model.pay(cost)
        self._check_answer(charged, cost)
        self.model.settled[call.key] = (call, charged)
        return call.key

    @rule(target=keys, hold=holds, tokens=output_tokens)
    def settle(self, hold: UUID | None, tokens: int) -> str | None:
        if hold is None:
            return None
        call = self._call(tokens, hold=hold)
        known = self.model.holds[hold]
        if known.state == "settled":
            with pytest.raises(HoldNotOpen):
                self.run(self.charges.settle(call))
            return None
        charged = self.run(self.charges.settle(call))
        known.state = "settled" if self.model.is_open(known) else "expired" if known.state == "open" else known.state
        self.model.pay(10 * tokens)
        self._check_answer(charged, 10 * tokens)
        self.model.settled[call.key] = (call, charged)
        return call.key

    @rule(many=st.lists(output_tokens, min_size=2, max_size=8))
    def charge_at_once(self, many: list[int]) -> None:
        calls = [self._call(tokens) for tokens in many]

        async def work() -> list[Any]:
            return await asyncio.gather(*(self.charges.settle(call) for call in calls), return_exceptions=True)

        results = self.run(work())
        for call, result in zip(calls, results, strict=True):
            cost = 10 * call.output_tokens
            if isinstance(result, InsufficientCredits):
                self.model.refused[call.key] = call
                continue
            assert not isinstance(result, BaseException), result
            self.model.pay(cost)
            self.model.settled[call.key] = (call, result)
        # None was refused that would have fitted beside those that were charged.
        for call, result in zip(calls, results, strict=True):
            if isinstance(result, InsufficientCredits):
                assert 10 * call.output_tokens > self.model.available
                assert self.model.policy == "refuse"

    @rule(key=keys)
    def send_again(self, key: str | None) -> None:
        if key in self.model.settled:
            call, charged = self.model.settled[key]
            again = self.run(self.charges.settle(call))
            assert again.replayed
            assert (again.transaction_id, again.charged_micro, again.balance_micro, again.available_micro) == (
                charged.transaction_id,
                charged.charged_micro,
                charged.balance_micro,
                charged.available_micro,
            )
            with pytest.raises(KeyReused):
                self.run(self.charges.settle(_changed(call)))
        elif key in self.model.refused:
            call = self.model.refused[key]
            cost = 10 * call.output_tokens
            if cost > self.model.available and self.model.policy == "refuse":
                with pytest.raises(InsufficientCredits):
                    self.run(self.charges.settle(call))
                return
            charged = self.run(self.charges.settle(call))
            self.model.pay(cost)
            self._check_answer(charged, cost)
            del self.model.refused[key]
            self.model.settled[key] = (call, charged)

    @rule(policy=st.sampled_from(["refuse", "receivable"]))
    def choose(self, policy: str) -> None:
        async def work() -> None:
            async with self.database.tenant(self.tenant) as session:
                await service.change_charge_policy(session, policy, tenant_id=self.tenant)

        self.run(work())
        self.model.policy = policy

    @rule(seconds=st.integers(min_value=0, max_value=1800), swept=st.booleans())
    def pass_time(self, seconds: int, swept: bool) -> None:
        self.model.now += timedelta(seconds=seconds)

        async def work() -> None:
            async with self.database.tenant(self.tenant) as session:
                await session.execute(
                    text("UPDATE tenant_clocks SET now_at = :now WHERE tenant_id = :t"),
                    {"t": self.tenant, "now": self.model.now},
                )
                if swept:
                    await HoldExpiry().run(session, tenant_id=self.tenant, now=self.model.now)

        self.run(work())
        for hold in self.model.holds.values():
            if hold.state == "open" and not self.model.is_open(hold):
                hold.state = "expired"

    @invariant()
    def the_wallet_is_the_models(self) -> None:
        async def work() -> Any:
            async with self.database.tenant(self.tenant) as session:
                return await service.wallet(session, **self._where(), now=self.model.now)

        wallet = self.run(work())
        assert (wallet.balance_micro, wallet.held_micro, wallet.available_micro, wallet.receivable_micro) == (
            self.model.balance,
            self.model.held,
            self.model.available,
            self.model.owed,
        )
        assert wallet.available_micro >= 0

    def _check_answer(self, charged: Any, cost: int) -> None:
        assert (charged.charged_micro, charged.balance_micro, charged.available_micro, charged.replayed) == (
            cost,
            self.model.balance,
            self.model.available,
            False,
        )


def service_text(amount_micro: int) -> str:
    from core.foundation.money import format_micro

    return format_micro(amount_micro)


def _changed(call: Call) -> Call:
    return replace(call, output_tokens=call.output_tokens + 1)


def test_credits_behave_like_their_model(settings: Settings) -> None:
    class OfThisTest(Credits):
        pass

    OfThisTest.settings = settings
    run_state_machine_as_test(
        OfThisTest,
        settings=hypothesis_settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize="CLOUDBILL_PROOF_EXAMPLES" not in os.environ,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
