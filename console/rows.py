"""What the pages show: one dataclass a kind of row, already spelled for the reader."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from console.figures import Moment, Money


@dataclass
class Membership:
    """A tenant the signed-in person may switch to."""

    tenant_id: str = ""
    name: str = ""
    role: str = ""


# One bar of a chart: `label` for the axis, `value` for its length, `shown` for the tooltip (recharts takes dicts).
Point = dict[str, Any]


@dataclass
class HealthPart:
    """One running part of the installation."""

    name: str = ""
    healthy: bool = True


@dataclass
class Share:
    """One line of a ranking: its amount and how long its bar is, in percent of the longest."""

    key: str = ""
    name: str = ""
    amount: Money = field(default_factory=Money)
    detail: str = ""
    percent: float = 0.0


@dataclass
class Overview:
    """The installation at a glance."""

    revenue_today: Money = field(default_factory=Money)
    revenue_30d: Money = field(default_factory=Money)
    credits_outstanding: Money = field(default_factory=Money)
    receivables: Money = field(default_factory=Money)
    usage_today: Money = field(default_factory=Money)
    usage_30d: Money = field(default_factory=Money)
    calls_today: str = ""
    tenants: int = 0
    active_tenants: int = 0
    currency: str = ""
    currencies: list[str] = field(default_factory=list)
    test_tenants: int = 0
    revenue_by_day: list[Point] = field(default_factory=list)
    usage_by_day: list[Point] = field(default_factory=list)
    models: list[Share] = field(default_factory=list)
    top_tenants: list[Share] = field(default_factory=list)
    health: list[HealthPart] = field(default_factory=list)
    unhealthy: str = ""
    parked: str = ""
    ledger_state: str = ""
    ledger_checked: Moment = field(default_factory=Moment)
    ledger_blocks: str = ""
    ledger_unsealed: int = 0
    ledger_sealed: Moment = field(default_factory=Moment)
    demo: str = ""


@dataclass
class TenantRow:
    """One line of the list of tenants."""

    tenant_id: str = ""
    name: str = ""
    is_test: bool = False
    balance: Money = field(default_factory=Money)
    available: Money = field(default_factory=Money)
    receivable: Money = field(default_factory=Money)
    invoices_open: Money = field(default_factory=Money)
    invoices_overdue: Money = field(default_factory=Money)
    usage_30d: Money = field(default_factory=Money)
    last_used: Moment = field(default_factory=Moment)
    created: Moment = field(default_factory=Moment)
    members: int = 0


@dataclass
class TenantPage:
    """One page of tenants and where the next one starts."""

    rows: list[TenantRow] = field(default_factory=list)
    next_cursor: str = ""
    total: int = 0


@dataclass
class TenantHead:
    """What stands above every page of one tenant. `customer_id` is what it is as a customer of the installation."""

    tenant_id: str = ""
    customer_id: str = ""
    name: str = ""
    is_test: bool = False
    clock_iso: str = ""
    clock: str = ""
    owners: str = ""
    created: Moment = field(default_factory=Moment)
    balance: Money = field(default_factory=Money)
    available: Money = field(default_factory=Money)
    held: Money = field(default_factory=Money)
    receivable: Money = field(default_factory=Money)
    currency: str = ""


@dataclass
class LedgerRow:
    """One settled posting."""

    transaction_id: str = ""
    kind: str = ""
    text: str = ""
    amount: Money = field(default_factory=Money)
    balance_after: Money = field(default_factory=Money)
    occurred: Moment = field(default_factory=Moment)
    recorded: str = ""


@dataclass
class LedgerPage:
    """One page of postings and where the next one starts."""

    rows: list[LedgerRow] = field(default_factory=list)
    next_cursor: str = ""


@dataclass
class Chain:
    """How far the tenant's ledger is sealed."""

    blocks: str = ""
    last_hash: str = ""
    sealed: Moment = field(default_factory=Moment)
    unsealed: int = 0


@dataclass
class ModelUsage:
    """What one model was used for."""

    model: str = ""
    calls: str = ""
    input_tokens: str = ""
    input_exact: str = ""
    cached_tokens: str = ""
    cached_exact: str = ""
    output_tokens: str = ""
    output_exact: str = ""
    charged: Money = field(default_factory=Money)
    percent: float = 0.0


@dataclass
class Usage:
    """A tenant's usage over some days."""

    total: Money = field(default_factory=Money)
    calls: str = "0"
    average: Money = field(default_factory=Money)
    by_day: list[Point] = field(default_factory=list)
    by_model: list[ModelUsage] = field(default_factory=list)


@dataclass
class Package:
    """Credits on offer."""

    code: str = ""
    name: str = ""
    price: str = ""
    credits: Money = field(default_factory=Money)
    bonus: str = ""


@dataclass
class Purchase:
    """Credits bought, or tried to."""

    purchase_id: str = ""
    package: str = ""
    status: str = ""
    price: str = ""
    note: str = ""
    credits: Money = field(default_factory=Money)
    created: Moment = field(default_factory=Moment)
    checkout_url: str = ""


@dataclass
class PurchasePage:
    """One page of purchases and where the next one starts."""

    rows: list[Purchase] = field(default_factory=list)
    next_cursor: str = ""


@dataclass
class Hold:
    """Credits reserved for a call that has not been settled yet."""

    hold_id: str = ""
    amount: Money = field(default_factory=Money)
    status: str = ""
    customer: str = ""
    expires: Moment = field(default_factory=Moment)


@dataclass
class HoldPage:
    """One page of holds and where the next one starts."""

    rows: list[Hold] = field(default_factory=list)
    next_cursor: str = ""


@dataclass
class ApiKey:
    """A key of the tenant's applications; its secret is shown once and never kept."""

    api_key_id: str = ""
    name: str = ""
    prefix: str = ""
    scopes: str = ""
    created: Moment = field(default_factory=Moment)
    last_used: Moment = field(default_factory=Moment)
    expires: Moment = field(default_factory=Moment)
