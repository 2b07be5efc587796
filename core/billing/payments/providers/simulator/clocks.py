"""Test clocks: customers made with one live in its time. docs.stripe.com/billing/testing/test-clocks

Cards expire by it and what such a customer does is dated by it; the account's own money (balance transactions, payouts,
events) stays in the present, as it is at Stripe.
"""

from typing import Any

from core.billing.payments.providers.simulator import objects
from core.billing.payments.providers.simulator.errors import Refusal
from core.billing.payments.providers.simulator.simulation import Simulation
from core.billing.payments.providers.simulator.store import Json

KIND = "test_helpers.test_clock"
_LONGEST = 2 * 366 * 86_400


def create(simulation: Simulation, given: dict[str, Any]) -> Json:
    return simulation.save(
        {
            "id": objects.new_id("clock"),
            "object": KIND,
            "created": simulation.now,
            "customer": None,
            "deletes_after": simulation.now + 30 * 86_400,
            "frozen_time": given["frozen_time"],
            "livemode": False,
            "name": given.get("name"),
            "status": "ready",
            "status_details": {},
        }
    )


def advance(simulation: Simulation, identifier: str, given: dict[str, Any]) -> Json:
    clock = simulation.get(KIND, identifier)
    to = given["frozen_time"]
    if to <= clock["frozen_time"]:
        raise Refusal(
            "The test clock cannot be advanced to a time that is not after its current frozen time.",
            param="frozen_time",
        )
    if to - clock["frozen_time"] > _LONGEST:
        raise Refusal("The test clock cannot be advanced by more than two years.", param="frozen_time")
    clock["frozen_time"] = to
    return simulation.save(clock)
