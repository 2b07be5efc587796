"""One final invoice's stored lines, taxes and sums against what it comes to now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from core.billing.invoices.bills import Bill, Line
from core.billing.invoices.recomputing.corrections import causes_of

_COMPARED = (
    "kind", "code", "description", "amount_minor", "discount_minor", "net_minor", "tax_category", "tax_rate",
    "tax_reason", "tax_minor", "quantity", "period_start", "period_end",
)  # fmt: skip
_HEADER = ("subtotal_minor", "discount_minor", "tax_minor", "total_minor")


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """One difference. `cause`: price, rhythm, meter, events, tax_rate, coupon, line, totals, inputs, or
    cannot_recompute.
    """

    tenant: str
    invoice: str
    invoice_id: UUID
    line: str | None
    cause: str
    detail: str

    def __str__(self) -> str:
        where = f"{self.tenant} {self.invoice}" + (f" line {self.line}" if self.line else "")
        return f"{where}: {self.cause}: {self.detail}"


class Comparison:
    """One invoice's stored lines against its bill."""

    def __init__(self, slug: str, row: Row[Any], lines: Sequence[Row[Any]], taxes: Sequence[Row[Any]]) -> None:
        self._slug = slug
        self._row = row
        self._stored = {line.item_id: line for line in lines}
        self._lines = lines
        self._taxes = {(tax.category, tax.rate): (tax.taxable_minor, tax.tax_minor, tax.reason) for tax in taxes}
        inputs: dict[str, Any] = row.inputs or {}
        self._kept: dict[str, Any] = {one["itemId"]: one for one in inputs.get("lines", [])}
        self.found: list[Drift] = []
        self.fresh: dict[UUID | None, Line] = {}

    def add(self, line: str | None, cause: str, detail: str) -> None:
        """One more difference."""
        self.found.append(
            Drift(
                tenant=self._slug,
                invoice=self._row.number,
                invoice_id=self._row.id,
                line=line,
                cause=cause,
                detail=detail,
            )
        )

    def compare(self, bill: Bill) -> None:
        """Lines by what they bill, then the sums."""
        self.fresh = {line.item_id: line for line in bill.lines}
        fresh = {str(one["itemId"]): one for one in bill.inputs["lines"]}
        for line in bill.lines:
            stored = self._stored.get(line.item_id)
            key = str(line.item_id)
            name = f"{line.code}" if stored is None else f"{stored.position} ({line.code})"
            causes = self._causes(name, self._kept.get(key), fresh[key])
            if stored is None:
                if not causes:
                    self.add(name, "line", "is missing")
                continue
            differing = _differing(line, stored)
            if differing and not causes:
                self.add(name, "coupon" if _only_coupons(line, stored) else "line", "; ".join(differing))
        computed = {line.item_id for line in bill.lines}
        for stored in self._lines:
            if stored.item_id not in computed:
                self.add(f"{stored.position} ({stored.code})", "line", "follows from nothing that was billed")
        taxes = {(tax.category, tax.rate): (tax.taxable_minor, tax.tax_minor, tax.reason) for tax in bill.taxes}
        if taxes != self._taxes and not self.found:
            self.add(None, "tax_rate", f"the taxes are {_written(self._taxes)}, but come to {_written(taxes)}")
        period = (self._row.period_start, self._row.period_end)
        if period != bill.period and not self.found:
            self.add(None, "totals", f"the period is {period[0]} to {period[1]}, but comes to {bill.period}")
        for column in _HEADER:
            stated = getattr(self._row, column)
            if stated != getattr(bill, column) and not self.found:
                self.add(None, "totals", f"{column} is {stated}, but comes to {getattr(bill, column)}")

    def _causes(self, name: str, kept: Mapping[str, Any] | None, fresh: Mapping[str, Any]) -> bool:
        """Whether what the line follows from is not as it was; each is named."""
        if kept is None:
            self.add(name, "inputs", "nothing is kept of what it was computed from")
            return True
        before = len(self.found)
        for cause, key in causes_of(kept, fresh):
            is_price = cause == "price"
            said = f"{key} was {kept.get(key)} and is {fresh.get(key)}"
            self.add(name, cause, f"price {fresh.get('priceId')} is not what it was" if is_price else said)
        for cause in ("rhythm", "meter"):
            if cause in kept and kept[cause] != fresh.get(cause):
                self.add(name, cause, f"is {fresh.get(cause)}, and was {kept[cause]} when it was computed")
        if (kept.get("events"), kept.get("digest")) != (fresh.get("events"), fresh.get("digest")):
            self.add(
                name,
                "events",
                f"{fresh.get('events')} events with digest {str(fresh.get('digest'))[:12]}, "
                f"and {kept.get('events')} with {str(kept.get('digest'))[:12]} when it was computed",
            )
        if kept["tax"] != fresh["tax"]:
            self.add(
                name,
                "tax_rate",
                f"{fresh['tax']['percent']} % ({fresh['tax']['rateId']}), and {kept['tax']['percent']} % "
                f"({kept['tax']['rateId']}) when it was computed",
            )
        return len(self.found) > before


def _only_coupons(line: Line, stored: Row[Any]) -> bool:
    """Whether the line is as it was but for what coupons take off, and its own sums hold: then a coupon was altered."""
    is_whole = (sum(stored.discounts.values()), stored.net_minor) == (
        stored.discount_minor,
        stored.amount_minor - stored.discount_minor,
    )
    return is_whole and stored.discounts != dict(line.discounts) and line.amount_minor == stored.amount_minor


def _written(taxes: Mapping[tuple[str, Any], tuple[int, int, str | None]]) -> str:
    return ", ".join(
        f"{key[0]} {key[1]} %: {tax} on {basis}" + (f" ({reason})" if reason else "")
        for key, (basis, tax, reason) in sorted(taxes.items())
    )


def _differing(line: Line, stored: Row[Any]) -> list[str]:
    found: list[str] = []
    for column in _COMPARED:
        computed, kept = getattr(line, column), getattr(stored, column)
        if computed != kept:
            found.append(f"{column} is {kept}, but comes to {computed}")
    if dict(line.discounts) != stored.discounts:
        found.append(f"discounts are {stored.discounts}, but come to {dict(line.discounts)}")
    if line.arithmetic is not None and dict(line.arithmetic) != stored.arithmetic:
        found.append("the arithmetic is not that of the amount")
    return found
