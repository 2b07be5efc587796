"""The installation at a glance, and its tenants. Amounts are decimal strings in units of the currency."""

from datetime import date
from typing import Literal
from uuid import UUID

from pydantic import Field

from core.foundation.schemas import Answer, Credits, Instant, Page

Word = Literal["healthy", "unhealthy"]


class DayAmount(Answer):
    """What came in on a day (UTC), less what went back."""

    date: date
    amount: Credits


class DayUsage(Answer):
    """What was used on a day (UTC)."""

    date: date
    charged: Credits
    calls: int


class UsageToday(Answer):
    """Settled calls of today."""

    calls: int
    charged: Credits


class ModelUsage(Answer):
    """A model in the last 30 days."""

    model: str
    calls: int
    charged: Credits


class TopTenant(Answer):
    """A tenant that used much in the last 30 days."""

    tenant_id: str
    name: str
    charged: Credits


class Health(Answer):
    """The parts of the installation."""

    api: Word
    database: Word
    cache: Word
    worker: Word
    stripe: Word


class LedgerAnswer(Answer):
    """The chains of all tenants. `verified` is null until the first verification."""

    blocks: int
    unsealed: int
    last_sealed_at: Instant | None
    verified: bool | None
    verified_at: Instant | None


class Parked(Answer):
    """How much waits for a person."""

    parked: int


class OverviewAnswer(Answer):
    """Figures of one currency (`currencies` are those there are); 30 days end today.

    `demo` says how far the demo is where `cloudbill up` makes one: `being made: …`, `made`, `not made: …`.
    """

    currency: str
    currencies: list[str]
    revenue_today: Credits
    revenue_30d: Credits = Field(alias="revenue30d")
    credits_outstanding: Credits
    receivables: Credits
    usage_today: UsageToday
    tenants: int
    test_tenants: int
    active_tenants_30d: int = Field(alias="activeTenants30d")
    revenue_by_day: list[DayAmount]
    usage_by_day: list[DayUsage]
    usage_by_model: list[ModelUsage]
    top_tenants: list[TopTenant]
    health: Health
    ledger: LedgerAnswer
    jobs: Parked
    webhooks: Parked
    demo: str | None


class TenantRow(Answer):
    """A tenant and how its own wallet stands. It owes `receivable`, and what is open of invoices to itself; all in its
    currency.

    `clockNow` is its own clock's time, null where it lives on the wall clock. The 30 days end with its own today, in
    UTC.
    """

    tenant_id: str
    name: str
    created_at: Instant
    is_test: bool
    is_probe: bool
    currency: str
    balance: Credits
    available: Credits
    receivable: Credits
    invoices_open: Credits
    invoices_overdue: Credits
    usage_30d: Credits = Field(alias="usage30d")
    last_used_at: Instant | None
    members: int
    clock_now: Instant | None


class TenantPage(Page[TenantRow]):
    """A page of tenants; `total` counts all pages."""

    total: int


class Owner(Answer):
    """Who owns a tenant."""

    user_id: UUID
    email: str
    name: str | None


class TenantAnswer(TenantRow):
    """One tenant, with who owns it and the plan it has."""

    owners: list[Owner]
    plan: str | None
