"""One request's view of the simulator: what it reads, changes and tells, inside one transaction."""

from dataclasses import dataclass, field
from typing import Any

from core.billing.payments.providers.simulator import deliveries, objects
from core.billing.payments.providers.simulator.errors import missing
from core.billing.payments.providers.simulator.store import Json, Store

_NAMES = {
    "payment_intent": "payment_intent",
    "checkout.session": "checkout.session",
    "payment_method": "PaymentMethod",
    "setup_intent": "setupintent",
    "test_helpers.test_clock": "test_clock",
}


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """`now` is Stripe's whole second, `instant` the exact time that deliveries are queued by."""

    store: Store
    now: int
    instant: float
    public_url: str
    request_id: str | None = None
    idempotency_key: str | None = None
    api_version: str = objects.API_VERSION
    told: list[str] = field(default_factory=list[str])

    def get(self, kind: str, identifier: str, *, param: str | None = None) -> Json:
        """Raises Refusal (resource_missing); `param` where the id is not the path's."""
        found = self.store.find(kind, identifier)
        if found is None:
            raise missing(_NAMES.get(kind, kind), identifier, param=param)
        return found

    def time_of(self, customer_id: str | None) -> int:
        """The time in which a customer lives: a test clock's for one that was made with it."""
        customer = self.store.find("customer", customer_id) if customer_id else None
        clock = self.store.find("test_helpers.test_clock", customer["test_clock"] or "") if customer else None
        return int(clock["frozen_time"]) if clock else self.now

    def save(self, found: Json) -> Json:
        self.store.save(found)
        return found

    def emit(self, kind: str, found: Json) -> None:
        """Records an event with the object as it is now, and queues its webhooks."""
        endpoints = [
            endpoint
            for endpoint in self.store.select("webhook_endpoint", newest=False)
            if endpoint["status"] == "enabled"
            and ("*" in endpoint["enabled_events"] or kind in endpoint["enabled_events"])
        ]
        event = objects.event(
            kind,
            found,
            now=self.now,
            request={"id": self.request_id, "idempotency_key": self.idempotency_key},
            pending_webhooks=len(endpoints),
        )
        self.save(event)
        deliveries.enqueue(self.store, event, endpoints, now=self.instant)
        self.told.append(event["id"])


def merge_metadata(current: dict[str, str], changes: dict[str, str]) -> dict[str, str]:
    """Stripe's rule: named keys are set, an empty text unsets its key, the others stay."""
    return {name: text for name, text in {**current, **changes}.items() if text != ""}


_EXPANDABLE = {
    "payment_intent",
    "charge",
    "latest_charge",
    "customer",
    "payment_method",
    "setup_intent",
    "source",
    "balance_transaction",
}


def expand(store: Store, found: Json, paths: list[str]) -> Json:
    """Replaces ids by their objects, as `expand[]=latest_charge` or `data.payment_intent` ask."""
    for path in paths:
        head, _, rest = path.partition(".")
        value: Any = found.get(head)
        if head == "data" and isinstance(value, list):
            for item in found["data"]:
                expand(store, item, [rest])
            continue
        if head in _EXPANDABLE and isinstance(value, str):
            value = found[head] = store.find_any(value)
        if rest and isinstance(value, dict):
            expand(store, found[head], [rest])
    return found
