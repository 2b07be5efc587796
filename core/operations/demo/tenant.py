"""Ninety days of one tenant, lived on its own clock through the API.

Where a tenant stands is what the API says: its clock names the day, its first subscription the start. Every request
has a key made of day and number, so a run that was broken off goes on at the day it had come to.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx

from core.billing.payments.providers.paying import Card, Payer
from core.operations.demo.caller import Caller, DemoFailed
from core.operations.demo.profiles import DAYS, CallWanted, Days, Profile
from core.operations.demo.selling import DemoShop

LAST_MINUTE = timedelta(minutes=1)
"""A day is over when only this is left of it: so the last one is still the tenant's today, with all that was used."""

AT_ONCE = 4
"""Calls of one tenant under way at a time."""

SCOPES = (
    "usage:write",
    "usage:read",
    "ledger:read",
    "purchases:write",
    "purchases:read",
    "billing:read",
    "billing:write",
)
RATE_LIMIT = 1_000_000
_PRICES = {"starter": Decimal(5), "team": Decimal(25), "scale": Decimal(100)}


@dataclass
class DemoTenant:
    """One tenant while it is being lived."""

    profile: Profile
    client: httpx.AsyncClient
    payer: Payer
    password: str
    first_day: datetime
    """Midnight of day 0, for a tenant that is new."""
    tell: Callable[[int], None]
    """Called with each day that is over."""
    api: Caller = field(init=False)
    _available: Decimal | None = None
    """What the last answer said of the tenant's own wallet; None when something else has changed it."""
    _is_dry: bool = False
    """A call was refused, or is owed: now it is noticed that credits are needed."""

    async def live(self, until: int = DAYS) -> None:
        """From the day the clock stands at to the end of day `until` - 1."""
        day, started = await self._arrive()
        days = Days(self.profile)
        shop = DemoShop(self.profile, self.api)
        billed = await shop.open() if self.profile.bills else {}
        for number in range(day, until):
            midnight = started + timedelta(days=number)
            if billed:
                await self._move(midnight)
                await shop.live(number, midnight, billed)
            if number >= self.profile.joins_on_day:
                await self._events(number)
                await self._calls(days.calls(number, weekday=midnight.weekday()), number, midnight)
            self.tell(number)
        await self._move(started + timedelta(days=until) - LAST_MINUTE)

    async def is_done(self, days: int = DAYS) -> bool:
        """Whether the tenant has come to the end of its last day."""
        owner = await self._sign_in()
        started = await self._started(owner)
        return started is not None and await self._day(owner, started) >= days

    async def finish(self) -> None:
        """What is seen on the last day: calls that are under way, hence open holds."""
        for number in range(3):
            await self.api.post(
                "/api/usage/holds",
                {
                    "amount": f"{number + 1}.25",
                    "ttlSeconds": 86_400,
                    "userId": f"user-{number % self.profile.users + 1:02d}",
                    "idempotencyKey": f"open-{number}",
                },
                allowed=(402,),
            )

    async def _arrive(self) -> tuple[int, datetime]:
        """The day that the clock stands at, and midnight of day 0. From here on a key makes the calls."""
        owner = await self._sign_in()
        wanted = {"name": "demo", "scopes": list(SCOPES), "rateLimit": RATE_LIMIT}
        _, key = await owner.post("/auth/api-keys", wanted)
        self.api = Caller(self.client, key["key"])
        if self.profile.owes:
            await self.api.patch("/billing/settings", {"chargePolicy": "receivable"})
        started = await self._started(self.api)
        if started is None:
            wanted = {"planId": self.profile.plan, "tenantId": self.profile.slug}
            await self.api.post("/billing/subscriptions", wanted, key="demo")
            started = self.first_day
        return await self._day(self.api, started), started

    async def _sign_in(self) -> Caller:
        anyone, profile = Caller(self.client), self.profile
        email = f"{profile.owner.split()[-1].lower()}@{profile.slug}.example"
        wanted = {
            "email": email,
            "password": self.password,
            "tenantId": profile.slug,
            "tenantName": profile.name,
            "name": profile.owner,
            "testClock": self.first_day.isoformat(),
        }
        status, body = await anyone.post("/auth/register", wanted, allowed=(409,))
        if status == 409:
            wanted = {"email": email, "password": self.password, "tenantId": profile.slug}
            _, body = await anyone.post("/auth/login", wanted)
        return Caller(self.client, body["accessToken"])

    async def _started(self, caller: Caller) -> datetime | None:
        # A tenant subscribes at the first instant of its clock, so the subscription says when that was.
        subscriptions = (await caller.get("/billing/subscriptions", limit=200))["data"]
        return datetime.fromisoformat(subscriptions[-1]["createdAt"]) if subscriptions else None

    async def _day(self, caller: Caller, started: datetime) -> int:
        clock = await caller.get("/billing/test-clock")
        return (datetime.fromisoformat(clock["now"]) + LAST_MINUTE - started).days

    async def _events(self, day: int) -> None:
        profile = self.profile
        if day == profile.decline_on_day:
            await self._buy(profile.package, f"declined-{day}", Card.IS_DECLINED)
        if await self._needs_credits(day):
            await self._buy(profile.package, f"day-{day}", Card.PAYS)
        if day == profile.refund_on_day:
            bought = await self._buy("team", f"mistake-{day}", Card.PAYS)
            await self.api.post(
                f"/api/purchases/{bought}/refunds", {"reason": "bought by mistake"}, key=f"refund-{day}"
            )
            self._available = None
        if profile.customer_with_wallet and day in (20, 45, 70):
            await self._buy("team", f"customer-{day}", Card.PAYS, customer=profile.customer_with_wallet)

    async def _needs_credits(self, day: int) -> bool:
        profile = self.profile
        if self._available is None:
            self._available = Decimal((await self.api.get("/billing/wallets/self"))["available"])
        forgets = profile.runs_dry_on_day is not None and 0 <= day - profile.runs_dry_on_day < 14
        if forgets and not self._is_dry:
            return False
        return self._available < _PRICES[profile.package] * Decimal("0.3")

    async def _buy(self, package: str, key: str, card: Card, *, customer: str | None = None) -> str:
        wanted: dict[str, Any] = {"packageCode": package} | ({"customerId": customer} if customer else {})
        _, purchase = await self.api.post("/api/purchases", wanted, key=key)
        purchase_id: str = purchase["purchaseId"]
        shown = await self.api.get(f"/api/purchases/{purchase_id}")
        if shown["status"] == "pending":
            await self._pay(purchase["paymentIntentId"], card)
            # The credits are there when the next call comes, whenever the provider's webhook does.
            await self.api.post(f"/api/purchases/{purchase_id}/sync", None)
        self._available = None
        return purchase_id

    async def _pay(self, payment_intent_id: str, card: Card) -> None:
        try:
            paid = await self.payer.pay(payment_intent_id, card)
        except httpx.HTTPError as error:
            raise DemoFailed(f"the payment provider did not take the payment: {error}") from None
        if paid is not (card is Card.PAYS):
            raise DemoFailed(f"the card {card.value} {'paid' if paid else 'did not pay'}")

    async def _calls(self, wanted: list[CallWanted], day: int, midnight: datetime) -> None:
        # A busy day has a morning and an afternoon.
        parts = 2 if len(wanted) > 4 else 1
        for part in range(parts):
            some = [(number, call) for number, call in enumerate(wanted) if int(call.at * parts) == part]
            if not some:
                continue
            await self._move(midnight + timedelta(days=(part + 1) / parts) - timedelta(minutes=5))
            gate = asyncio.Semaphore(AT_ONCE)
            async with asyncio.TaskGroup() as group:
                for number, call in some:
                    group.create_task(self._call(call, f"{day}-{number}", midnight, gate))

    async def _call(self, call: CallWanted, name: str, midnight: datetime, gate: asyncio.Semaphore) -> None:
        used = {
            "userId": call.user,
            "model": call.model,
            "inputTokens": call.input_tokens,
            "cachedTokens": call.cached_tokens,
            "outputTokens": call.output_tokens,
            "occurredAt": (midnight + timedelta(days=call.at)).isoformat(),
            "idempotencyKey": f"call-{name}",
        }
        async with gate:
            if call.reserves:
                hold = await self._reserve(call, name)
                if hold is None or name.endswith("-1"):
                    return  # the call was not made: refused, or given up, and the hold expires by itself
                used["holdId"] = hold
            if call.partial:
                used["partial"] = True
            status, answer = await self.api.post("/api/usage/reconcile", used, allowed=(402,))
        if status == 402 or answer["receivable"] != "0":
            self._is_dry = True
        if "available" in answer and call.user != self.profile.customer_with_wallet:
            self._available = Decimal(answer["available"])

    async def _reserve(self, call: CallWanted, name: str) -> str | None:
        status, body = await self.api.post(
            "/api/usage/holds",
            {
                "userId": call.user,
                "model": call.model,
                "inputTokens": call.input_tokens,
                "maxOutputTokens": call.output_tokens * 2,
                "ttlSeconds": 3600,
                "idempotencyKey": f"hold-{name}",
            },
            allowed=(402,),
        )
        return body["holdId"] if status == 201 else None

    async def _move(self, to: datetime) -> None:
        # A run that goes on finds the clock where it was left, perhaps past this instant.
        await self.api.post("/billing/test-clock", {"now": to.isoformat()}, allowed=(409,))
