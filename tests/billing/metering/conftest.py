"""A tenant's meters, and events to count, in few words."""

import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.support.callers import Caller
from tests.support.furnished import made

_numbers = itertools.count(1)


@dataclass
class Metering:
    """A tenant that meters."""

    caller: Caller
    meters: dict[str, str] = field(default_factory=dict)

    async def meter(self, code: str, aggregation: str = "count", **fields: Any) -> str:
        """A new meter of the events `call`; its id."""
        body = {"code": code, "name": code, "aggregation": aggregation, "eventName": "call", **fields}
        self.meters[code] = (await made(self.caller.post("/billing/meters", body)))["meterId"]
        return self.meters[code]

    async def send(self, *events: dict[str, Any]) -> dict[str, Any]:
        """A batch; its answer."""
        return await made(self.caller.post("/billing/usage/events", {"events": list(events)}))

    async def usage(self, meter: str, customer: str = "ada", **params: Any) -> dict[str, Any]:
        """What a meter counted."""
        return await made(self.caller.get("/billing/usage", meter=meter, externalId=customer, **params))

    async def quantity(self, meter: str, customer: str = "ada", **params: Any) -> str:
        """What a meter counted, in all."""
        return (await self.usage(meter, customer, **params))["quantity"]


def event(**fields: Any) -> dict[str, Any]:
    """An event `call` of the customer `ada` with a key of its own; other names are properties."""
    members = ("idempotencyKey", "eventName", "customerId", "externalId", "occurredAt", "quantity", "properties")
    known = {name: value for name, value in fields.items() if name in members}
    properties = {name: value for name, value in fields.items() if name not in members}
    return {
        "idempotencyKey": f"key-{next(_numbers)}",
        "eventName": "call",
        **({} if "customerId" in known else {"externalId": "ada"}),
        **({"properties": properties} if properties else {}),
        **known,
    }


@pytest.fixture
async def metering(sign_up: Callable[..., Awaitable[Caller]]) -> Metering:
    """A tenant on the wall clock."""
    return Metering(await sign_up("meters"))


@pytest.fixture
async def clocked(sign_up: Callable[..., Awaitable[Caller]]) -> Metering:
    """A test tenant whose clock stands at 2027-03-10 12:30 UTC."""
    caller = await sign_up("clocked", testClock="2026-12-01T00:00:00Z")
    await made(caller.post("/billing/test-clock", {"now": "2027-03-10T12:30:00Z"}))
    return Metering(caller)
