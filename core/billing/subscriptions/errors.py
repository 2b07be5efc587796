"""What subscriptions refuse.

NotFound     └── SubscriptionNotFound       404 subscription_not_found
Conflict     ├── SubscriptionState          409 subscription_state
             ├── NothingChanges             409 nothing_changes
             ├── MeterBilledAlready         409 meter_billed_already
             └── CouponRedeemedAlready      409 coupon_redeemed_already
InvalidInput └── ChangeInvalid              422 change_invalid
                 └── PlanNotMetered         422 plan_not_metered
(422 component_unknown, negative_period, cycle_invalid, time_zone_unknown are those of plans and periods.)
"""

from core.foundation.errors import Conflict, InvalidInput, NotFound


class SubscriptionNotFound(NotFound):
    """No such subscription in this tenant."""

    code = "subscription_not_found"
    title = "No such subscription"

    def __init__(self) -> None:
        super().__init__("The tenant has no such subscription.")


class SubscriptionState(Conflict):
    """What was asked for is not possible in the state it is in."""

    code = "subscription_state"
    title = "Not in this state"

    def __init__(self, state: str, what: str, way_out: str) -> None:
        super().__init__(f"The subscription is {state}: {what} is not possible. {way_out}", status=state)


class NothingChanges(Conflict):
    """A change to what is agreed already."""

    code = "nothing_changes"
    title = "Nothing would change"

    def __init__(self) -> None:
        super().__init__(
            "This is what is agreed already. GET the subscription to see its plan, quantities and add-ons."
        )


class MeterBilledAlready(Conflict):
    """Two subscriptions of a customer that would bill the same usage."""

    code = "meter_billed_already"
    title = "The usage is billed by another subscription"

    def __init__(self, meter: str, subscription_id: str) -> None:
        super().__init__(
            f"What the meter {meter!r} counts of this customer is billed by its subscription {subscription_id}, "
            "and usage is billed once. Change that subscription, or cancel it first.",
            subscriptionId=subscription_id,
        )


class CouponRedeemedAlready(Conflict):
    """A coupon that the subscription has redeemed."""

    code = "coupon_redeemed_already"
    title = "The coupon was redeemed already"

    def __init__(self, coupon: str) -> None:
        super().__init__(f"The subscription has redeemed the coupon {coupon!r} already.")


class ChangeInvalid(InvalidInput):
    """A change that contradicts itself."""

    code = "change_invalid"
    title = "The change is not valid"


class PlanNotMetered(ChangeInvalid):
    """A plan with usage of somebody else's meters."""

    code = "plan_not_metered"
    title = "The plan counts by meters that are not the tenant's"

    def __init__(self, plan: str) -> None:
        super().__init__("planId", f"{plan!r} charges usage by meters of the installation, which count nothing here")
