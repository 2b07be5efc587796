"""Bodies of costs. Amounts are decimal strings, of a month."""

from typing import Annotated, Literal

from pydantic import Field

from core.foundation.schemas import Answer, Body, Instant, InstantInput, Text

Units = Annotated[float, Field(strict=True, ge=0, le=1e12)]
Share = Annotated[float, Field(strict=True, ge=0, le=1)]


class UsageBody(Body):
    """How much the installation is used in a month; what is left out is as in an ordinary one (`base`)."""

    requests: Annotated[Units, Field(description="HTTP requests that reach the load balancer.")] | None = None
    gb_out: Annotated[Units, Field(description="GB from the load balancer to the internet.")] | None = None
    gb_in: Annotated[Units, Field(description="GB from the internet to the load balancer.")] | None = None
    gb_nat: Annotated[Units, Field(description="GB through NAT.")] | None = None
    gb_between_zones: Annotated[Units, Field(description="GB between zones, counted once.")] | None = None
    gb_logs: Annotated[Units, Field(description="GB of logs written.")] | None = None
    load: (
        Annotated[Share, Field(description="Between least (0) and most (1) instances: where services are on average.")]
        | None
    ) = None
    database_gb: Annotated[Units, Field(description="GB that the database has come to.")] | None = None
    backup_gb: Annotated[Units, Field(description="GB of backups beyond the database's own size.")] | None = None
    gb_changed: Annotated[Units, Field(description="GB of changes that backups and copies carry.")] | None = None
    image_gb: Annotated[Units, Field(description="GB of images kept.")] | None = None
    object_gb: Annotated[Units, Field(description="GB in buckets and shared files.")] | None = None
    secret_calls: Annotated[Units, Field(description="Times that a secret is read.")] | None = None
    key_calls: Annotated[Units, Field(description="Times that an encryption key is used.")] | None = None
    metrics: Annotated[Units, Field(description="Custom time series sent.")] | None = None
    metric_samples: Annotated[Units, Field(description="Million samples of them.")] | None = None
    findings: Annotated[Units, Field(description="Events that the watching services look at.")] | None = None
    database_cpu: Annotated[Share, Field(description="Busy in its busiest hours; sizes are judged by it.")] | None = (
        None
    )
    database_memory: Annotated[Share, Field(description="The same of its memory.")] | None = None
    cache_memory: Annotated[Share, Field(description="The same of the cache's memory.")] | None = None
    service_cpu: Annotated[Share, Field(description="The same of an instance's CPU.")] | None = None
    service_memory: Annotated[Share, Field(description="The same of an instance's memory.")] | None = None


class UsageProfiles(Answer):
    """The usage of a quiet, an ordinary and a busy month, by field."""

    small: dict[str, float]
    base: dict[str, float]
    large: dict[str, float]


class CostLine(Answer):
    """What one thing costs. `low` and `high` are a quiet and a busy month's."""

    resource: str
    type: str
    item: str
    category: str
    quantity: str
    unit: str
    unit_price: str
    monthly: str
    low: str
    high: str
    kind: str
    source: str
    date: str
    assumption: str


class StackCost(Answer):
    """A stack's month by its newest stored graph. `usage` is a profile's name, or custom."""

    stack: str
    cloud: str
    environment: str
    region: str
    currency: str
    usage: str
    monthly: str
    low: str
    high: str
    by_category: dict[str, str]
    warnings: list[str]
    deployment_id: str
    recorded_at: Instant


class StackCostLines(StackCost):
    """The same, line by line."""

    lines: list[CostLine]


class Unpriced(Answer):
    """A stack whose newest graph has no estimate, and why."""

    stack: str
    reason: str


class Costs(Answer):
    """All stacks that were ever stored, by name."""

    data: list[StackCost]
    unpriced: list[Unpriced]


class CostDriver(Answer):
    """A category, its two sums, and the lines that weigh most on either side."""

    category: str
    left: str
    right: str
    difference: str
    left_lines: list[str]
    right_lines: list[str]


class CostComparison(Answer):
    """Two stacks with the same usage; drivers by weight. `difference` is right less left."""

    left: StackCost
    right: StackCost
    difference: str
    drivers: list[CostDriver]


class SavedLine(Answer):
    """A line before and after."""

    resource: str
    item: str
    before: str
    after: str


class SavingProposal(Answer):
    """A saving a month, how it is done, and what it costs otherwise. Two of one `group` exclude each other."""

    name: str
    title: str
    group: str
    monthly_saving: str
    monthly_before: str
    monthly_after: str
    trade_off: str
    how: str
    lines: list[SavedLine]
    source: str
    date: str
    confidence: str
    breaks: list[str]


class DeclinedSaving(Answer):
    """What is not proposed, and why."""

    name: str
    reason: str


class StackSavings(Answer):
    """What could be saved of a stack, the most first."""

    stack: str
    cloud: str
    region: str
    currency: str
    monthly: str
    proposals: list[SavingProposal]
    declined: list[DeclinedSaving]
    warnings: list[str]


Month = Annotated[str, Field(pattern=r"^20\d\d-(0[1-9]|1[0-2])$", examples=["2026-10"])]
Word = Annotated[Text, Field(max_length=500)]


class ChargeBody(Body):
    """A charge of a bill, in the cloud's own words; several of a kind may be one, with the sum of their costs."""

    cloud: Word
    service: Word
    usage: Word
    resource: Word = ""
    cost: Annotated[str, Field(pattern=r"^-?\d{1,12}(\.\d{1,40})?$", description="Decimal, in `currency`.")]
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")]
    start: InstantInput
    end: InstantInput
    charge: Literal["usage", "commitment", "credit", "refund", "tax", "other"]
    account: Word = ""


class ActualBody(Body):
    """A month's bill of a stack, as an export or Cost Explorer gave it."""

    month: Month
    source: Annotated[Text, Field(min_length=1, max_length=200, description="Where it is from: a file's name.")]
    lines: Annotated[list[ChargeBody], Field(min_length=1)]


class ActualStored(Answer):
    """It is kept; the newest import of a month counts."""

    actual_id: str
    month: str
    alerts: list[str]


class VarianceAnswer(Answer):
    """Estimated and billed; `alert` where they are more than 15 % apart. `percent` is of what was estimated."""

    name: str
    category: str
    estimated: str
    actual: str
    difference: str
    percent: str | None
    alert: bool


class StackActual(Answer):
    """A month on the bill beside the estimate of the stack's newest graph; `months` are those that were imported."""

    stack: str
    month: str | None
    months: list[str]
    source: str | None
    imported_at: Instant | None
    currency: str
    days: int
    days_covered: int
    billed: str
    total: VarianceAnswer | None
    categories: list[VarianceAnswer]
    lines: list[VarianceAnswer]
    apart: dict[str, str]
    alerts: list[str]
    notes: list[str]
