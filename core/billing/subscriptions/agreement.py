"""What a subscription is at an instant, whole and in memory: transitions take one and give another. Pure."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from core.billing.pricing.schemes.arithmetic import Rated
from core.billing.pricing.schemes.definitions import parse
from core.billing.pricing.schemes.rating import Measured, rate
from core.billing.subscriptions.periods import Cycle, Period
from core.billing.subscriptions.proration import Basis

LIVE = ("incomplete", "trialing", "active", "past_due", "paused")
BILLED = ("active", "past_due")
"""States in which periods are charged and usage counts."""

INCOMPLETE = timedelta(days=7)
"""How long a subscription may wait for its first payment before it is canceled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """A part of a plan's price."""

    seller_id: UUID
    id: UUID
    code: str
    name: str
    kind: str
    is_add_on: bool
    meter_id: UUID | None
    definition: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """A version of a plan at its price in one currency."""

    seller_id: UUID
    plan_id: UUID
    plan_code: str
    plan_name: str
    product_id: UUID | None
    tax_code: str | None
    is_goods: bool
    version: int
    price_id: UUID
    currency: str
    amount_minor: int
    interval: str
    interval_count: int
    cycle: str
    proration: Basis
    trial_days: int | None
    trial_until: datetime | None
    minimum: dict[str, Any] | None
    commitment: dict[str, Any] | None
    components: tuple[Component, ...]

    @property
    def rhythm(self) -> tuple[str, int, str]:
        """What periods follow from: terms of another rhythm begin a cycle of their own."""
        return self.interval, self.interval_count, self.cycle

    @property
    def written_rhythm(self) -> str:
        """It and how parts of a period are reckoned, as an invoice keeps them."""
        return f"{self.interval_count} {self.interval}, {self.cycle}, by {self.proration}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A component as it is taken, from `since` until `until`; usage has no quantity. `id`: its row, once it has one."""

    component: Component
    quantity: Decimal | None
    since: datetime
    until: datetime | None = None
    id: UUID | None = None

    def rated(self, currency: str) -> Rated:
        """What it costs for a whole period, ahead."""
        quantity = Decimal(0) if self.quantity is None else self.quantity
        return rate(parse(self.component.definition), Measured(quantity), currency=currency)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Terms that held from `since` until `until`."""

    terms: Terms
    since: datetime
    until: datetime | None = None
    id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """A subscription with its open parts and terms (`parts`, `held`) and those that ended within its period."""

    tenant_id: UUID
    id: UUID
    customer_id: UUID
    currency: str
    state: str
    collection: str
    cycle: Cycle
    period_number: int
    ordinal: int
    period_start: datetime
    period_end: datetime
    paid_through: datetime
    created_at: datetime
    held: Held
    parts: tuple[Part, ...]
    past_parts: tuple[Part, ...] = ()
    past_held: tuple[Held, ...] = ()
    trial_end: datetime | None = None
    trial_notice_at: datetime | None = None
    paused_at: datetime | None = None
    resume_at: datetime | None = None
    cancel_at: datetime | None = None
    canceled_at: datetime | None = None
    cancel_reason: str | None = None
    pending: dict[str, Any] | None = None
    commitment: dict[str, Any] | None = None
    commitment_from: datetime | None = None
    commitment_left: int | None = None

    @property
    def terms(self) -> Terms:
        """What holds now."""
        return self.held.terms

    @property
    def whole(self) -> Period:
        """The cycle's period that the current one is, or is a part of."""
        return self.cycle.period(self.period_number)

    def closed(self, at: datetime) -> "Agreement":
        """With every part and the terms ended at an instant; the next ones are put in their place by the caller."""
        return replace(
            self,
            parts=(),
            past_parts=(*self.past_parts, *(replace(part, until=at) for part in self.parts)),
            past_held=(*self.past_held, replace(self.held, until=at)),
        )

    def due_at(self) -> datetime | None:
        """When something is to be done of itself next."""
        match self.state:
            case "canceled":
                return None
            case "incomplete":
                instants = [self.cancel_at, self.created_at + INCOMPLETE]
            case "paused":
                instants = [self.cancel_at, self.resume_at]
            case "trialing":
                instants = [self.cancel_at, self.trial_notice_at, self.period_end]
            case _:
                instants = [self.cancel_at, self.period_end]
        return min((at for at in instants if at is not None), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is taken of a plan: quantities by code (None: as it is, else 1), and the add-ons (None: as they are)."""

    quantities: dict[str, Decimal] = field(default_factory=dict[str, Decimal])
    add_ons: tuple[str, ...] | None = None
