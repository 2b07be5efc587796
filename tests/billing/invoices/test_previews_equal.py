"""A preview of the first invoice, of a change, of a cancellation or of the next one equals the later invoice."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.billing.invoices.conftest import Shop
from tests.support.furnished import made

CURRENCIES = {"EUR": 2, "USD": 2, "JPY": 0, "KWD": 3}
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Chatham")
TOTALS = ("subtotalMinor", "discountMinor", "taxMinor", "totalMinor", "appliedMinor", "openMinor")
OF_LINE = (
    "kind", "code", "amountMinor", "discountMinor", "netMinor", "taxCategory", "taxRate", "taxMinor", "quantity",
    "periodStart", "periodEnd",
)  # fmt: skip
METERS = ("calls", "bytes")


class Case:
    """One customer with plans of its own, drawn from chance; everything it is asked goes through the API."""

    def __init__(self, shop: Shop, chance: random.Random, number: int) -> None:
        self.shop = shop
        self.chance = chance
        self.number = number
        self.currency = chance.choice(list(CURRENCIES))
        self.compared = 0
        self.story: list[str] = []

    async def run(self) -> None:
        """Subscribes by a preview, changes, pauses, renews and cancels; each preview is held against what came."""
        chance, post = self.chance, self.shop.caller.post
        self.customer = await self.shop.customer(
            f"Case {self.number}", currency=self.currency, timeZone=chance.choice(ZONES)
        )
        plans = [await self._plan(place) for place in range(2)]
        body: dict[str, Any] = {
            "planId": plans[0], "customerId": self.customer, "collection": "send_invoice",
            "quantities": {"seats": self._seats()}, "coupons": await self._coupons(),
        }  # fmt: skip
        if chance.random() < 0.3:
            body["trialDays"] = chance.randint(1, 20)
        elif chance.random() < 0.3 and self.cycle == "anniversary" and self.interval != "week":
            body["anchorDay"] = chance.choice((1, 15, 29, 31))
        self.story.append(f"begins {body}")
        previews = (await made(post("/billing/subscriptions/preview", body)))["invoices"]
        self.path = f"/billing/subscriptions/{(await made(post('/billing/subscriptions', body)))['subscriptionId']}"
        await self._hold(previews)
        for _ in range(chance.randint(1, 2)):
            await self._wait(timedelta(seconds=chance.randint(0, 12 * 86_400)))
            await self._use()
            await self._change(plans)
        await self._hold((await made(self.shop.caller.get(f"{self.path}/upcoming-invoice")))["invoices"])
        if chance.random() < 0.3:
            await self._pause()
        await self._use()
        ends = {"when": chance.choice(("now", "period_end")), "unused": chance.choice(("credit", "keep"))}
        self.story.append(f"cancels {ends}")
        previews = (await made(post(f"{self.path}/cancel/preview", ends)))["invoices"]
        await made(post(f"{self.path}/cancel", ends))
        await self._hold(previews)

    async def _plan(self, place: int) -> str:
        chance = self.chance
        self.interval = chance.choice(("week", "month", "month", "quarter")) if not place else self.interval
        self.cycle = chance.choice(("anniversary", "calendar")) if not place else self.cycle
        tiers = [
            {"firstUnit": 1, "lastUnit": 3, "unitPrice": self._price()},
            {"firstUnit": 4, "lastUnit": None, "unitPrice": self._price(), "flatFee": "5"},
        ]
        seats = chance.choice(
            (
                {"model": "per_unit", "unitPrice": self._price()},
                {"model": "graduated", "tiers": tiers},
                {"model": "volume", "tiers": tiers},
                {"model": "package", "packageSize": "4", "packagePrice": self._price()},
            )
        )
        seats["rounding"] = chance.choice(("half_up", "half_even", "down", "up"))
        components: list[dict[str, Any]] = [
            {"code": "base", "name": "Base", "price": {"model": "flat", "amount": str(chance.randint(1, 400))}},
            {"code": "seats", "name": "Seats", "price": seats},
            {"code": "calls", "name": "Calls", "kind": "usage", "meter": "calls",
             "price": {"model": "per_unit", "unitPrice": self._price(), "included": str(chance.randint(0, 4))}},
            {"code": "extra", "name": "Extra", "addOn": True, "price": {"model": "flat", "amount": "7"}},
        ]  # fmt: skip
        price: dict[str, Any] = {"currency": self.currency, "components": components}
        if chance.random() < 0.4:
            price["minimum"] = {"model": "minimum", "amount": str(chance.randint(1, 900))}
        code = f"plan-{self.number}-{place}"
        body = {"code": code, "name": code, "interval": self.interval, "cycle": self.cycle, "prices": [price]}
        await made(self.shop.caller.post("/billing/plans", body | {"proration": chance.choice(("second", "day"))}))
        return code

    async def _coupons(self) -> list[str]:
        found: list[str] = []
        if self.chance.random() < 0.5:
            found.append(f"percent-{self.number}")
            body = {"code": found[-1], "name": "Percent", "percent": str(self.chance.choice((5, 12.5, 33)))}
            await made(self.shop.caller.post("/billing/coupons", body))
        if self.chance.random() < 0.4:
            found.append(f"amount-{self.number}")
            body = {"code": found[-1], "name": "Amount", "amountMinor": self.chance.randint(1, 9_000)}
            await made(self.shop.caller.post("/billing/coupons", body | {"currency": self.currency}))
        return found

    async def _change(self, plans: list[str]) -> None:
        chance = self.chance
        now = await made(self.shop.caller.get(self.path))
        body: dict[str, Any] = {
            "quantities": {"seats": self._seats()},
            "addOns": chance.choice(([], ["extra"])),
            "applies": chance.choice(("now", "now", "renewal")),
            "proration": chance.choice(("prorate", "prorate", "none")),
            "billing": chance.choice(("now", "next_invoice")),
        }
        if chance.random() < 0.4:
            body["planId"] = next(plan for plan in plans if plan != now["planCode"])
        self.story.append(f"changes {body}")
        answer = await self.shop.caller.post(f"{self.path}/change/preview", body)
        if answer.status_code == 409 and answer.json()["code"] == "nothing_changes":
            return
        previews = (await made(answer_of(answer)))["invoices"]
        await made(self.shop.caller.post(f"{self.path}/change", body))
        await self._hold(previews)

    async def _pause(self) -> None:
        now = datetime.fromisoformat((await made(self.shop.caller.get("/billing/test-clock")))["now"])
        until = now + timedelta(hours=self.chance.randint(1, 40 * 24))
        body = {"resumeAt": until.isoformat(), "unused": self.chance.choice(("credit", "keep"))}
        self.story.append(f"pauses {body}")
        await made(self.shop.caller.post(f"{self.path}/pause", body))
        await self._wait(timedelta(seconds=1))  # what comes back is in the wallet before the next one is asked for
        previews = (await made(self.shop.caller.get(f"{self.path}/upcoming-invoice")))["invoices"]
        await self._hold(previews)

    async def _use(self) -> None:
        events = [
            {"idempotencyKey": f"{self.number}-{len(self.story)}-{place}", "eventName": "calls",
             "customerId": self.customer}
            for place in range(self.chance.randint(0, 9))
        ]  # fmt: skip
        if events:
            self.story.append(f"uses {len(events)}")
            await made(self.shop.caller.post("/billing/usage/events", {"events": events}))

    async def _wait(self, time: timedelta) -> None:
        now = datetime.fromisoformat((await made(self.shop.caller.get("/billing/test-clock")))["now"])
        self.story.append(f"waits {time}")
        await self.shop.move((now + time).isoformat())

    async def _hold(self, previews: list[dict[str, Any]]) -> None:
        """Goes on to when each is billed; the invoice of that instant says the same."""
        for preview in previews:
            now = datetime.fromisoformat((await made(self.shop.caller.get("/billing/test-clock")))["now"])
            billed = datetime.fromisoformat(preview["billAt"])
            self.story.append(f"is billed at {preview['billAt']}")
            # A second later, so that what is done next is billed at an instant of its own.
            await self.shop.move((max(now, billed) + timedelta(seconds=1)).isoformat())
            found = [
                one
                for one in await self.shop.invoices(customerId=self.customer)
                if one["billAt"] == preview["billAt"] and one["status"] != "void"
            ]
            assert len(found) == 1, self.story
            assert {name: found[0][name] for name in TOTALS} == {name: preview[name] for name in TOTALS}, self.story
            lines = await self.shop.lines(found[0])
            assert sorted(map(_shown, lines)) == sorted(map(_shown, preview["lines"])), self.story
            self.compared += 1

    def _price(self) -> str:
        return f"{self.chance.randint(0, 30)}.{self.chance.randint(1, 9_999):04d}"

    def _seats(self) -> str:
        return str(self.chance.randint(0, 9))


def _shown(line: dict[str, Any]) -> list[str]:
    return [str(line[name]) for name in OF_LINE]


async def answer_of(answer: Any) -> Any:
    """An answer that is there already, for `made`."""
    return answer


@pytest.fixture
async def previewing(open_shop: Callable[..., Awaitable[Shop]]) -> Shop:
    """Final at once; the clock stands before Europe's clocks go forward."""
    shop = await open_shop("previewing", "2026-03-20T21:30:00Z", graceHours=0)
    await shop.rules(timesHistory=1_000_000, monthsAhead=120)
    meter = {"code": "calls", "name": "Calls", "aggregation": "count", "eventName": "calls"}
    await made(shop.caller.post("/billing/meters", meter))
    return shop


async def test_previews_equal_the_later_invoice_to_the_cent(
    previewing: Shop, pytestconfig: pytest.Config, record_property: Callable[[str, object], None]
) -> None:
    cases, seed = pytestconfig.getoption("--proof-count") or 5, pytestconfig.getoption("--proof-seed")
    compared = 0
    shop = previewing
    for number in range(cases):
        if number % 10 == 9:  # a proof takes longer than a token lives
            renewed = await made(shop.caller.post("/auth/refresh", {"refreshToken": shop.caller.refresh_token}))
            caller = replace(shop.caller, token=renewed["accessToken"], refresh_token=renewed["refreshToken"])
            shop = replace(shop, caller=caller)
        case = Case(shop, random.Random(f"{seed}-{number}"), number)
        await case.run()
        compared += case.compared
    assert compared >= cases
    record_property("result", f"{compared} previews of {cases} subscriptions, each equal to its later invoice")
