"""However many clients race, nothing passes its floor, nothing is charged twice, no hold is left."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from decimal import Decimal

import httpx

from tests.proofs.conftest import Scale
from tests.support.callers import Caller, sign_up
from tests.support.furnished import made

CLIENTS = 64
CALL = {"model": "gpt-4o", "inputTokens": 1000, "outputTokens": 500}
PRICE_MICRO = 7_500

Fund = Callable[..., Awaitable[None]]


async def in_parallel(clients: int, attempts: int, attempt: Callable[[int], Awaitable[str]]) -> Counter[str]:
    """Runs `attempt` that often by that many clients at once; how each ended, counted."""
    numbers = iter(range(attempts))
    outcomes: Counter[str] = Counter()

    async def client() -> None:
        for number in numbers:
            outcomes[await attempt(number)] += 1

    await asyncio.gather(*[client() for _ in range(clients)])
    return outcomes


async def everything_charged(caller: Caller) -> list[Decimal]:
    """Every charge in the ledger, over all pages."""
    charges: list[Decimal] = []
    cursor: str | None = None
    while True:
        page = await made(caller.get("/api/ledger", limit=200, kind="usage", **({"cursor": cursor} if cursor else {})))
        charges += [Decimal(row["amount"]) for row in page["data"]]
        cursor = page["nextCursor"]
        if cursor is None:
            return charges


async def test_one_wallet_with_credits_for_a_hundred_calls(
    over_http: httpx.AsyncClient, fund: Fund, scale: Scale, say: Callable[[str], None]
) -> None:
    attempts = scale.count(400)
    owner = await sign_up(over_http)
    await fund(owner, 100 * PRICE_MICRO)

    async def attempt(number: int) -> str:
        answer = await owner.post("/api/usage/reconcile", {**CALL, "userId": "u", "idempotencyKey": f"call-{number}"})
        return f"{answer.status_code} {answer.json().get('code', '')}".strip()

    outcomes = await in_parallel(CLIENTS, attempts, attempt)
    refused = max(0, attempts - 100)
    assert (outcomes["200"], outcomes["402 insufficient_credits"]) == (attempts - refused, refused)
    wallet = await made(owner.get("/billing/wallets/self"))
    left = Decimal(100 * PRICE_MICRO - min(100, attempts) * PRICE_MICRO) / 1_000_000
    assert (Decimal(wallet["balance"]), Decimal(wallet["available"]), wallet["held"]) == (left, left, "0")
    assert await everything_charged(owner) == [Decimal("-0.0075")] * min(100, attempts)
    say(f"{attempts} calls by {CLIENTS} clients on a wallet for 100: {outcomes['200']} charged, {left:f} left, no hold")


async def test_holds_that_race_are_each_settled_or_released_once(
    over_http: httpx.AsyncClient, fund: Fund, scale: Scale, say: Callable[[str], None]
) -> None:
    attempts = scale.count(300)
    owner = await sign_up(over_http)
    await fund(owner, 60 * PRICE_MICRO)
    choices = [
        scale.chance.choice(("settle", "release", "settle and release", "settle twice")) for _ in range(attempts)
    ]

    async def attempt(number: int) -> str:
        hold = await owner.post("/api/usage/holds", {"amount": "0.0075", "idempotencyKey": f"hold-{number}"})
        if hold.status_code == 402:
            return "refused"
        assert hold.status_code == 201, hold.text
        hold_id = hold.json()["holdId"]
        settling = {**CALL, "holdId": hold_id, "idempotencyKey": f"settle-{number}"}
        settles = {"settle": 1, "release": 0, "settle and release": 1, "settle twice": 2}[choices[number]]
        steps = [owner.post("/api/usage/reconcile", settling) for _ in range(settles)]
        if "release" in choices[number]:
            steps.append(owner.delete(f"/api/usage/holds/{hold_id}"))
        answers = await asyncio.gather(*steps)
        assert all(answer.status_code in (200, 402, 409) for answer in answers), [answer.text for answer in answers]
        charged = {answer.json()["transactionId"] for answer in answers[:settles] if answer.status_code == 200}
        assert len(charged) <= 1
        return "charged" if charged else "not charged"

    outcomes = await in_parallel(CLIENTS, attempts, attempt)
    wallet = await made(owner.get("/billing/wallets/self"))
    spent = outcomes["charged"] * Decimal("0.0075")
    # A call is settled also when its hold was released a moment before: what the wallet lacks is owed.
    balance, owed = Decimal(wallet["balance"]), Decimal(wallet["receivable"])
    assert (wallet["held"], wallet["available"]) == ("0", wallet["balance"])
    assert balance >= 0
    assert balance - owed == Decimal("0.45") - spent
    assert (await made(owner.get("/api/usage/holds", status="open")))["data"] == []
    say(f"{attempts} holds by {CLIENTS} clients: {outcomes['charged']} settled once each, none left open")


async def test_one_key_sent_by_all_at_once_is_charged_once(
    over_http: httpx.AsyncClient, fund: Fund, scale: Scale, say: Callable[[str], None]
) -> None:
    rounds = max(1, scale.count(320) // CLIENTS)
    owner = await sign_up(over_http)
    await fund(owner, 100 * rounds * PRICE_MICRO)
    fresh = replayed = 0
    for number in range(rounds):
        body = {**CALL, "userId": f"u{number}", "idempotencyKey": f"same-{number}"}
        answers = await asyncio.gather(*[owner.post("/api/usage/reconcile", body) for _ in range(CLIENTS)])
        assert {answer.status_code for answer in answers} <= {200, 409}, {answer.text for answer in answers}
        bodies = [answer.json() for answer in answers if answer.status_code == 200]
        assert len({body["transactionId"] for body in bodies}) == 1
        fresh += sum(not body["replayed"] for body in bodies)
        replayed += sum(body["replayed"] for body in bodies)
    assert fresh == rounds
    assert await everything_charged(owner) == [Decimal("-0.0075")] * rounds
    say(f"{rounds} keys sent by {CLIENTS} clients at once: {fresh} charged, {replayed} replays of the same answer")
