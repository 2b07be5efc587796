"""A customer drawn from chance whose every preview is held against the invoice that came. All goes through the API."""

import random
from datetime import datetime, timedelta
from typing import Any

from tests.billing.invoices.conftest import Shop
from tests.support.furnished import made

CURRENCIES = {"EUR": 2, "USD": 2, "JPY": 0, "KWD": 3}
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Chatham")
BEFORE_CREDITS = ("subtotalMinor", "discountMinor", "taxMinor", "totalMinor")
TOTALS = (*BEFORE_CREDITS, "appliedMinor", "openMinor")
OF_LINE = (
    "kind", "code", "amountMinor", "discountMinor", "netMinor", "taxCategory", "taxRate", "taxMinor", "quantity",
    "periodStart", "periodEnd",
)  # fmt: skip
METERS = ("calls", "sales")
ACTS = ("change", "change", "change", "pause", "late", "coupon", "terms", "credits", "line")
SECOND = timedelta(seconds=1)


class Case:
    """One customer with plans of its own: it subscribes, acts, is billed and ends."""

    def __init__(self, shop: Shop, chance: random.Random, number: int) -> None:
        self.shop, self.chance, self.number = shop, chance, number
        self.currency = chance.choice(list(CURRENCIES))
        self.interval = chance.choice(("day", "week", "month", "month", "quarter", "year"))
        self.count = 1 if chance.random() < 0.8 else 2
        self.cycle = chance.choice(("anniversary", "calendar"))
        self.per_customer = chance.random() < 0.4
        self.compared = 0
        self.story: list[str] = []

    async def run(self) -> None:
        """Each preview on the way is held against what came of it."""
        chance = self.chance
        await self.shop.rules(
            timesHistory=1_000_000, monthsAhead=120, oneInvoicePer="customer" if self.per_customer else "subscription"
        )
        self.customer = await self.shop.customer(
            f"Case {self.number}", currency=self.currency, timeZone=chance.choice(ZONES)
        )
        self.plans = [await self._plan(place) for place in range(2)]
        await self._subscribe(self.plans[0])
        beside = await self._beside() if chance.random() < 0.4 else None
        for _ in range(chance.randint(2, 4)):
            # What is done at the very instant of another thing is billed with it.
            if chance.random() < 0.75:
                await self._wait(timedelta(seconds=chance.randint(1, 12 * 86_400)))
            await self._use()
            await getattr(self, f"_{chance.choice(ACTS)}")()
            if chance.random() < 0.4:
                await self._hold(await self._upcoming())
        await self._use()
        ends = {"when": chance.choice(("now", "period_end")), "unused": chance.choice(("credit", "keep"))}
        await self._do("cancel", ends, held=1)
        if beside is not None:
            await self._post(f"/billing/subscriptions/{beside}/cancel", {"when": "now"})
        await self._wait(SECOND)

    async def _subscribe(self, plan: str) -> None:
        chance = self.chance
        body: dict[str, Any] = {
            "planId": plan, "customerId": self.customer, "collection": "send_invoice",
            "quantities": {"seats": self._seats()},
            "coupons": [await self._offer() for _ in range(chance.randint(0, 2))],
        }  # fmt: skip
        if chance.random() < 0.3:
            body["trialDays"] = chance.randint(1, 20)
        elif chance.random() < 0.3 and self.cycle == "anniversary" and self.interval in ("month", "quarter"):
            body["anchorDay"] = chance.choice((1, 15, 29, 31))
        previews = (await self._post("/billing/subscriptions/preview", body))["invoices"]
        found = await self._post("/billing/subscriptions", body)
        self.subscription = found["subscriptionId"]
        self.path = f"/billing/subscriptions/{self.subscription}"
        if chance.random() < 0.7:
            await self._hold(previews)

    async def _beside(self) -> str:
        """Another subscription of the same customer."""
        plan = await self._plan(2, metered=False)
        body = {"planId": plan, "customerId": self.customer, "collection": "send_invoice"}
        return (await self._post("/billing/subscriptions", body))["subscriptionId"]

    async def _plan(self, place: int, *, metered: bool = True) -> str:
        code = f"plan-{self.number}-{place}"
        body = {"code": code, "name": code, "interval": self.interval, "cycle": self.cycle, "intervalCount": self.count}
        body |= {"proration": self.chance.choice(("second", "day")), "prices": [self._price_of(metered=metered)]}
        await self._post("/billing/plans", body)
        return code

    def _price_of(self, *, metered: bool = True) -> dict[str, Any]:
        chance = self.chance
        tiers = [
            {"firstUnit": 1, "lastUnit": 3, "unitPrice": self._amount()},
            {"firstUnit": 4, "lastUnit": None, "unitPrice": self._amount(), "flatFee": "5"},
        ]
        seats = chance.choice(
            (
                {"model": "per_unit", "unitPrice": self._amount()},
                {"model": "graduated", "tiers": tiers},
                {"model": "volume", "tiers": tiers},
                {"model": "package", "packageSize": "4", "packagePrice": self._amount()},
            )
        )
        seats["rounding"] = chance.choice(("half_up", "half_even", "down", "up"))
        share = {"model": "percentage", "rate": "2.9", "fixed": "0.4", "minimum": "1", "maximum": "6"}
        calls = {"model": "per_unit", "unitPrice": self._amount(), "included": str(chance.randint(0, 4))}
        components: list[dict[str, Any]] = [
            {"code": "base", "name": "Base", "price": {"model": "flat", "amount": str(chance.randint(0, 400))}},
            {"code": "seats", "name": "Seats", "price": seats},
            {"code": "extra", "name": "Extra", "addOn": True, "price": {"model": "flat", "amount": "7"}},
            {"code": "setup", "name": "Setup", "addOn": True, "kind": "one_time",
             "price": {"model": "flat", "amount": "3"}},
        ]  # fmt: skip
        if metered:
            components += [
                {"code": "calls", "name": "Calls", "kind": "usage", "meter": "calls", "price": calls},
                {"code": "sales", "name": "Sales", "kind": "usage", "meter": "sales", "price": share},
            ]
        price: dict[str, Any] = {"currency": self.currency, "components": components}
        if chance.random() < 0.4:
            price["minimum"] = {"model": "minimum", "amount": str(chance.randint(1, 900))}
        if chance.random() < 0.3:
            amount = str(chance.randint(1, 2_000))
            price["commitment"] = {"model": "commitment", "amount": amount, "periods": chance.randint(1, 3)}
        return price

    async def _offer(self) -> str:
        chance = self.chance
        code = f"coupon-{self.number}-{chance.getrandbits(40)}"
        body: dict[str, Any] = {"code": code, "name": code}
        if chance.random() < 0.5:
            body["percent"] = str(chance.choice((5, 12.5, 33, 100)))
        else:
            body |= {"amountMinor": chance.randint(1, 9_000), "currency": self.currency}
        body["duration"] = chance.choice(("once", "repeating", "forever"))
        if body["duration"] == "repeating":
            body["periods"] = 2
        await self._post("/billing/coupons", body)
        return code

    # What is done between two bills

    async def _change(self) -> None:
        chance = self.chance
        now = await self._get(self.path)
        body: dict[str, Any] = {
            "quantities": {"seats": self._seats()},
            "addOns": chance.choice(([], ["extra"], ["setup"], ["extra", "setup"])),
            "applies": chance.choice(("now", "now", "renewal")),
            "proration": chance.choice(("prorate", "prorate", "none")),
            "billing": chance.choice(("now", "next_invoice")),
        }
        if chance.random() < 0.4:
            body["planId"] = next(plan for plan in self.plans if plan != now["planCode"])
        await self._do("change", body)

    async def _pause(self) -> None:
        now, chance = await self._now(), self.chance
        body: dict[str, Any] = {"unused": chance.choice(("credit", "keep"))}
        if chance.random() < 0.6:
            body["resumeAt"] = (now + timedelta(hours=chance.randint(1, 40 * 24))).isoformat()
        await self._do("pause", body)
        if (await self._get(self.path))["status"] == "paused" and chance.random() < 0.8:
            if chance.random() < 0.3:
                at = (await self._now() + timedelta(hours=chance.randint(1, 40 * 24))).isoformat()
                body = {"resumeAt": chance.choice((at, at, None))}
                await self._do("pause", body)
            if body.get("resumeAt") is not None and chance.random() < 0.5:
                await self._hold(await self._upcoming())
            else:
                await self._wait(timedelta(seconds=chance.randint(0, 9 * 86_400)))
                if (await self._get(self.path))["status"] == "paused":
                    await self._do("resume", {})

    async def _late(self) -> None:
        """Usage of a time that may be billed already."""
        now, began = await self._now(), datetime.fromisoformat((await self._get(self.path))["createdAt"])
        at = max(began, now - timedelta(seconds=self.chance.randint(0, 30 * 86_400)))
        await self._use(at.isoformat())

    async def _coupon(self) -> None:
        await self.shop.caller.post(f"{self.path}/coupons", {"coupon": await self._offer()})

    async def _terms(self) -> None:
        """Another version, which the next renewal takes from some day on."""
        plan = (await self._get(self.path))["planCode"]
        at = await self._now() + timedelta(days=self.chance.randint(0, 60))
        body = {"prices": [self._price_of()], "applies": "renewal", "effectiveFrom": at.isoformat()}
        self.story.append(f"sells anew {plan} from {at}")
        await self._post(f"/billing/plans/{plan}/versions", body)

    async def _credits(self) -> None:
        now, chance = await self._now(), self.chance
        body: dict[str, Any] = {"customerId": self.customer, "amount": str(chance.randint(1, 300))}
        if chance.random() < 0.6:
            body["expiresAt"] = (now + timedelta(days=chance.randint(1, 60))).isoformat()
        answer = await self.shop.caller.post("/billing/credits/grants", body)
        self.story.append(f"is given {body}: {answer.status_code}")

    async def _line(self) -> None:
        """A line of somebody's, due with the next bill or some day."""
        now = await self._now()
        upcoming = await self._upcoming() if self.chance.random() < 0.7 else []
        at = upcoming[0]["billAt"] if upcoming else (now + timedelta(days=3)).isoformat()
        self.story.append(f"is written a line for {at}")
        await self.shop.items(self.customer, self.chance.randint(1, 5_000), billAt=at)

    async def _use(self, at: str | None = None) -> None:
        events = [
            {"idempotencyKey": f"{self.number}-{self.chance.getrandbits(60)}", "customerId": self.customer,
             "eventName": name, "properties": {"amount": str(self.chance.randint(1, 400))},
             **({"occurredAt": at} if at else {})}
            for name in METERS
            for _ in range(self.chance.randint(0, 5))
        ]  # fmt: skip
        if events:
            self.story.append(f"uses {len(events)} at {at or 'now'}")
            await self._post("/billing/usage/events", {"events": events})

    async def _do(self, what: str, body: dict[str, Any], *, held: float = 0.8) -> None:
        """Asks what it will bill, does it, and sees what comes; what is refused before is refused then."""
        asked = await self.shop.caller.post(f"{self.path}/{what}/preview", body)
        done = await self.shop.caller.post(f"{self.path}/{what}", body)
        self.story.append(f"{what} {body}: {done.status_code}")
        assert asked.status_code == done.status_code, (asked.text, done.text, self.story)
        if asked.status_code == 200:
            previews = asked.json()["invoices"]
            if self.chance.random() < held:
                await self._hold(previews)

    async def _wait(self, time: timedelta) -> None:
        self.story.append(f"waits {time}")
        await self.shop.move((await self._now() + time).isoformat())

    async def _hold(self, previews: list[dict[str, Any]]) -> None:
        """Goes on to when each is billed; the invoice of that instant says the same."""
        # Another subscription of the customer may have been billed at this very instant, before what is held here.
        known = {one["invoiceId"] for one in await self._invoices()}
        for preview in previews:
            now, billed = await self._now(), datetime.fromisoformat(preview["billAt"])
            self.story.append(f"is billed at {preview['billAt']}")
            # A second later, so that what is done next is billed at an instant of its own.
            await self.shop.move((max(now, billed) + SECOND).isoformat())
            since = [one for one in await self._invoices() if one["invoiceId"] not in known]
            found = [
                one
                for one in since
                if one["billAt"] == preview["billAt"]
                and one["status"] != "void"
                and (self.per_customer or one["subscriptionId"] == self.subscription)
            ]
            assert len(found) == 1, (found, preview, self.story)
            lines = await self.shop.lines(found[0])
            came, said = sorted(map(shown, lines)), sorted(map(shown, preview["lines"]))
            differ = [line for line in (*came, *said) if (line in came) != (line in said)]
            assert came == said, (differ, self.story)
            # What another subscription's bill took of the wallet since, or put into it, nobody could foresee here.
            others = [
                one for one in since if one is not found[0] and (one["finalizedAt"] or "") <= found[0]["finalizedAt"]
            ]
            names = BEFORE_CREDITS if any(one["appliedMinor"] for one in others) else TOTALS
            totals = {name: (found[0][name], preview[name]) for name in names}
            assert all(came == said for came, said in totals.values()), (totals, self.story)
            known.add(found[0]["invoiceId"])
            self.compared += 1

    async def _invoices(self) -> list[dict[str, Any]]:
        return await self.shop.invoices(customerId=self.customer)

    async def _upcoming(self) -> list[dict[str, Any]]:
        return (await self._get(f"{self.path}/upcoming-invoice"))["invoices"]

    async def _now(self) -> datetime:
        return datetime.fromisoformat((await self._get("/billing/test-clock"))["now"])

    async def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return await made(self.shop.caller.post(path, body))

    async def _get(self, path: str) -> dict[str, Any]:
        return await made(self.shop.caller.get(path))

    def _amount(self) -> str:
        return f"{self.chance.randint(0, 30)}.{self.chance.randint(1, 9_999):04d}"

    def _seats(self) -> str:
        return str(self.chance.randint(0, 9))


def shown(line: dict[str, Any]) -> list[str]:
    """What two lines have in common that are the same."""
    return [str(line[name]) for name in OF_LINE]
