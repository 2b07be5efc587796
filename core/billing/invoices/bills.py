"""What an invoice says before it is one: lines, taxes and sums, worked out and not yet written. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from core.foundation.money import MAX_MINOR, AmountOutOfRange


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line with its tax. `discounts` are its shares of coupons, by code; `item_id` is what was to be billed."""

    item_id: UUID | None
    subscription_id: UUID | None
    kind: str
    code: str
    description: str
    period_start: datetime | None = None
    period_end: datetime | None = None
    quantity: Decimal | None = None
    meter_id: UUID | None = None
    amount_minor: int
    discounts: Mapping[str, int] = field(default_factory=dict[str, int])
    arithmetic: Mapping[str, Any] | None = None
    tax_category: str = "O"
    tax_rate: Decimal = Decimal(0)
    tax_reason: str | None = None
    tax_minor: int = 0

    @property
    def discount_minor(self) -> int:
        """What coupons take off it."""
        return sum(self.discounts.values())

    @property
    def net_minor(self) -> int:
        """What is taxed."""
        return self.amount_minor - self.discount_minor


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxSum:
    """What one rate of one category comes to."""

    category: str
    rate: Decimal
    taxable_minor: int
    tax_minor: int
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """Lines and taxes of one invoice, in one currency, and what they were computed from."""

    customer_id: UUID
    subscription_id: UUID | None
    currency: str
    bill_at: datetime
    collection: str
    lines: Sequence[Line]
    taxes: Sequence[TaxSum]
    inputs: Mapping[str, Any]
    parties: Mapping[str, Any]
    """Seller and buyer as they are printed: personal, to be sealed."""

    @property
    def subtotal_minor(self) -> int:
        """The lines before coupons and tax."""
        return sum(line.amount_minor for line in self.lines)

    @property
    def discount_minor(self) -> int:
        """What coupons take off."""
        return sum(line.discount_minor for line in self.lines)

    @property
    def tax_minor(self) -> int:
        """The tax of all rates, which is that of all lines."""
        return sum(line.tax_minor for line in self.lines)

    @property
    def total_minor(self) -> int:
        """What is to pay before credits."""
        return self.subtotal_minor - self.discount_minor + self.tax_minor

    @property
    def period(self) -> tuple[datetime | None, datetime | None]:
        """From the earliest begin of a line to the latest end."""
        starts = [line.period_start for line in self.lines if line.period_start is not None]
        ends = [line.period_end for line in self.lines if line.period_end is not None]
        return min(starts, default=None), max(ends, default=None)

    def usage_by_meter(self, codes: Mapping[UUID, str]) -> dict[str, int]:
        """What lines of usage come to with tax, by the code of their meter."""
        found: dict[str, int] = {}
        for line in self.lines:
            code = codes.get(line.meter_id) if line.kind == "usage" and line.meter_id else None
            if code is not None:
                found[code] = found.get(code, 0) + line.net_minor + line.tax_minor
        return found

    def check(self) -> None:
        """Raises AmountOutOfRange for what no invoice may come to."""
        if max(abs(self.subtotal_minor), abs(self.total_minor)) > MAX_MINOR:
            raise AmountOutOfRange
