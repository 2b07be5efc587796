"""What plans refuse.

Forbidden    └── PlanOfInstallation   403 plan_of_installation
NotFound     └── VersionNotFound      404 plan_version_not_found
Conflict     ├── PlanInUse            409 plan_in_use
             └── PlanArchived         409 plan_archived
InvalidInput └── PlanInvalid          422 plan_invalid
                 ├── PlanWithoutPrice     422 plan_without_price
                 ├── CurrencyRepeated     422 currency_repeated
                 ├── ComponentRepeated    422 component_repeated
                 ├── ComponentsDiffer     422 components_differ
                 ├── MeterUnknown         422 meter_unknown
                 ├── InstallationPlanMetered 422 installation_plan_metered
                 ├── EffectiveInPast      422 effective_in_past
                 └── ComponentUnknown     422 component_unknown
"""

from core.foundation.errors import Conflict, Forbidden, InvalidInput, NotFound


class PlanOfInstallation(Forbidden):
    """A plan that the tenant may buy and not change."""

    code = "plan_of_installation"
    title = "The plan is the installation's"

    def __init__(self, plan: str) -> None:
        super().__init__(f"The plan {plan!r} is the installation's: only its operator changes it.")


class VersionNotFound(NotFound):
    """No such version, or none in force at that instant."""

    code = "plan_version_not_found"
    title = "No such version of the plan"

    def __init__(self, plan: str, which: str) -> None:
        super().__init__(f"The plan {plan!r} has no version {which}. GET /billing/plans/{plan}/versions lists them.")


class PlanInUse(Conflict):
    """Somebody subscribed to it: bills rest on it."""

    code = "plan_in_use"
    title = "The plan is on a bill"

    def __init__(self, plan: str, subscriptions: int) -> None:
        super().__init__(
            f"{subscriptions} subscriptions rest on the plan {plan!r}, so it cannot be deleted. Archive it instead "
            f'(PATCH /billing/plans/{plan} {{"archived": true}}): it is sold to nobody new, and what was agreed stays.',
            subscriptions=subscriptions,
        )


class PlanArchived(Conflict):
    """A plan out of sale takes no new terms."""

    code = "plan_archived"
    title = "The plan is archived"

    def __init__(self, plan: str) -> None:
        super().__init__(
            f'The plan {plan!r} is archived. Bring it back first: PATCH /billing/plans/{plan} {{"archived": false}}.'
        )


class PlanInvalid(InvalidInput):
    """Terms that contradict each other."""

    code = "plan_invalid"
    title = "The plan is not valid"


class PlanWithoutPrice(PlanInvalid):
    """Nothing says what it costs."""

    code = "plan_without_price"
    title = "The plan has no price"

    def __init__(self, field: str = "prices") -> None:
        super().__init__(field, "must hold at least one part that costs something, or say amountMinor: 0 for nothing")


class CurrencyRepeated(PlanInvalid):
    """Two prices in one currency."""

    code = "currency_repeated"
    title = "A currency has two prices"


class ComponentRepeated(PlanInvalid):
    """Two parts of one code."""

    code = "component_repeated"
    title = "Two parts of the plan have one code"


class ComponentsDiffer(PlanInvalid):
    """A currency in which the plan has other parts than in the first."""

    code = "components_differ"
    title = "The plan has other parts in another currency"


class MeterUnknown(PlanInvalid):
    """A meter that the seller of the plan does not have."""

    code = "meter_unknown"
    title = "There is no such meter"


class InstallationPlanMetered(PlanInvalid):
    """A plan of the installation with a part that is counted: meters, and the events they count, are a tenant's own."""

    code = "installation_plan_metered"
    title = "Plans of the installation have no usage parts"

    def __init__(self, meter: str) -> None:
        super().__init__(
            "meter",
            f"{meter!r} would count a tenant's events, which only a meter of that tenant does: make plans with usage "
            "in the tenant that sells them, or charge usage by credits and the price book",
        )


class EffectiveInPast(PlanInvalid):
    """Terms that would change what was already sold."""

    code = "effective_in_past"
    title = "Terms cannot begin in the past"


class ComponentUnknown(PlanInvalid):
    """A quantity for a part that the plan does not have."""

    code = "component_unknown"
    title = "The plan has no such part"
