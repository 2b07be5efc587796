"""What the catalogue refuses: PlanNotFound 404, NotSoldInCurrency 422, CodeTaken 409."""

from core.foundation.errors import CloudBillError, Conflict, NotFound


class PlanNotFound(NotFound):
    """Neither the tenant nor the installation offers such a plan."""

    code = "plan_not_found"
    title = "No such plan"

    def __init__(self, plan: str) -> None:
        super().__init__(f"There is no plan {plan!r}. GET /billing/plans lists those there are.")


class NotSoldInCurrency(CloudBillError):
    """The plan has no price in the tenant's currency."""

    status = 422
    code = "not_sold_in_currency"
    title = "The plan has no price in this currency"

    def __init__(self, plan_code: str, currency: str) -> None:
        super().__init__(
            f"The plan {plan_code!r} has no price in {currency}: GET /billing/plans/{plan_code} lists those it has, "
            "and another version of it can add one.",
            currency=currency,
        )


class CodeTaken(Conflict):
    """The tenant sells something under that code already."""

    code = "code_taken"
    title = "The code is taken"

    def __init__(self, what: str, code: str) -> None:
        super().__init__(f"There is a {what} {code!r} already. Choose another code.")
