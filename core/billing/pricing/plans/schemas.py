"""Plans with their versions and prices, as they are built, shown and quoted."""

from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    BeforeValidator,
    Field,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
)

from core.billing.catalog.payable import MOST_MINOR
from core.billing.catalog.schemas import Code, Currency, Flag
from core.billing.pricing.schemes.commitments import Commitment, Minimum
from core.billing.pricing.schemes.definitions import SchemeBody
from core.billing.pricing.schemes.errors import PriceInvalid, QuantityInvalid
from core.billing.pricing.schemes.rating import check_quantity
from core.foundation.fields import named
from core.foundation.schemas import Answer, Body, Instant, InstantInput, Name, StrictInteger, Text

Interval = Literal["day", "week", "month", "quarter", "year"]
Kind = Literal["recurring", "usage", "one_time"]
Reference = Annotated[Text, Field(min_length=1, max_length=63, description="An id or a code.")]
Description = Annotated[Text, Field(max_length=1000)]
MOST_COUNT = {"day": 365, "week": 52, "month": 36, "quarter": 12, "year": 10}


def _quantity(value: object) -> Decimal:
    if not isinstance(value, str) or not value.isascii() or not value.replace(".", "", 1).isdigit() or len(value) > 40:
        raise QuantityInvalid("quantities", 'must be decimal strings such as "12.5"')
    found = Decimal(value)
    check_quantity(found, "quantities")
    return found


Quantity = Annotated[
    Decimal,
    BeforeValidator(_quantity),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9]{1,26}(\.[0-9]{1,12})?$", "examples": ["12.5"]}),
]


def _of_its_part(value: Any, handler: ValidatorFunctionWrapHandler, known: ValidationInfo) -> Any:
    try:
        return handler(value)
    except PriceInvalid as refused:
        raise refused.within(f"{known.data.get('code', 'components')}.price") from None


class NewComponent(Body):
    """A part of a plan. `recurring` is paid ahead, `usage` is counted by `meter` and paid afterwards, `one_time` at
    the start. An add-on is charged only to those who choose it."""

    code: Code
    name: Name
    kind: Kind = "recurring"
    add_on: Flag = False
    meter: Reference | None = None
    price: Annotated[SchemeBody, WrapValidator(_of_its_part)]


class NewPrice(Body):
    """What the plan costs in a currency."""

    currency: Currency
    components: Annotated[list[NewComponent], Field(max_length=100)]
    minimum: Minimum | None = None
    commitment: Commitment | None = None


class Terms(Body):
    """How a version is billed. A trial lasts `trialDays`, or until `trialUntil`, whichever is over first."""

    interval: Interval = "month"
    interval_count: Annotated[StrictInteger, Field(ge=1, le=365)] = 1
    cycle: Literal["anniversary", "calendar"] = "anniversary"
    proration: Literal["second", "day"] = "second"
    trial_days: Annotated[StrictInteger, Field(ge=1, le=730)] | None = None
    trial_until: InstantInput | None = None
    prices: Annotated[list[NewPrice], Field(max_length=30)] = []


class NewPlan(Terms):
    """A plan of the tenant's own for its customers: with `prices`, or with `amountMinor` as one flat price."""

    code: Code
    name: Name
    description: Description | None = None
    product: Reference | None = None
    amount_minor: Annotated[StrictInteger, Field(ge=0, le=MOST_MINOR), named("amount_invalid")] | None = None
    currency: Currency | None = None


class NewVersion(Terms):
    """New terms from `effectiveFrom` (now). `renewal`: subscriptions there are take them at their next renewal."""

    effective_from: InstantInput | None = None
    applies: Literal["new", "renewal"] = "new"


class PlanChange(Body):
    """What of a plan may be changed. What is agreed is in its versions, and stays."""

    name: Name | None = None
    description: Description | None = None
    archived: Flag | None = None


class ComponentAnswer(Answer):
    """A part of a price; `price` is the definition as it is stored."""

    code: str
    name: str
    kind: Kind
    add_on: bool
    meter_id: UUID | None
    price: dict[str, Any]


class PriceAnswer(Answer):
    """A version's price in a currency. `amountMinor` is the fixed part of a period, at quantity one, before usage."""

    price_id: UUID
    currency: str
    amount_minor: int
    components: list[ComponentAnswer]
    minimum: dict[str, Any] | None
    commitment: dict[str, Any] | None


class VersionAnswer(Answer):
    """A version of a plan, which nobody changes."""

    plan_id: UUID
    version: int
    effective_from: Instant
    applies: Literal["new", "renewal"]
    interval: Interval
    interval_count: int
    cycle: Literal["anniversary", "calendar"]
    proration: Literal["second", "day"]
    trial_days: int | None
    trial_until: Instant | None
    prices: list[PriceAnswer]
    replayed: bool = False


class PlanDetail(Answer):
    """A plan with the version in force, if there is one, and the one that comes next."""

    plan_id: UUID
    code: str
    name: str
    description: str | None
    product_id: UUID | None
    archived_at: Instant | None
    owner: Literal["tenant", "installation"]
    current: VersionAnswer | None
    scheduled: VersionAnswer | None


class QuoteBody(Body):
    """What would be used in one period: quantities by the part's code (1 for what is recurring, 0 for usage, unless
    given), for percentages the amounts of the transactions, and the add-ons chosen. Nothing is kept."""

    currency: Currency | None = None
    version: Annotated[StrictInteger, Field(ge=1, le=10**9)] | None = None
    quantities: Annotated[dict[Code, Quantity], Field(max_length=100)] = {}
    transactions: Annotated[dict[Code, Annotated[list[Quantity], Field(max_length=1000)]], Field(max_length=100)] = {}
    add_ons: Annotated[list[Code], Field(max_length=100)] = []
    coupons: Annotated[list[Reference], Field(max_length=20)] = []
    first_period: Flag = True


class QuoteLine(Answer):
    """A line with its arithmetic: rows of quantity times unit price, their exact sum, and one rounding."""

    code: str
    name: str
    amount_minor: int
    arithmetic: dict[str, Any]


class QuoteDiscount(Answer):
    """What a coupon takes off, in all and of each line in their order."""

    coupon: str
    amount_minor: int
    shares: list[int]


class QuoteAnswer(Answer):
    """`lines` sum to `subtotalMinor`; less the discounts that is `totalMinor`, before tax and credits."""

    plan_id: UUID
    version: int
    currency: str
    lines: list[QuoteLine]
    discounts: list[QuoteDiscount]
    subtotal_minor: int
    total_minor: int
