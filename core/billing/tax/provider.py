"""The door for whoever says what tax is due: the rate table here, or a service elsewhere."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Protocol

from core.billing.tax.rules import Buyer, LineTax, Rate, Seller, TaxedLine, tax_of


class TaxProvider(Protocol):
    """Says the tax of lines. The same question has the same answer: invoices are recomputed."""

    name: str

    def tax_of(self, lines: Sequence[TaxedLine], *, seller: Seller, buyer: Buyer, at: date) -> tuple[LineTax, ...]:
        """The tax of each line, in their order."""
        ...

    def known_at(self, instant: datetime) -> "TaxProvider":
        """The same as it was at an instant of the server's: a rate that was added for days gone by changes no bill."""
        ...


class RateTable:
    """By the rates that the installation knows and the tenant added."""

    name = "table"

    def __init__(self, rates: Sequence[Rate]) -> None:
        self._rates = rates
        self._newest = max((rate.created_at for rate in rates), default=None)

    def tax_of(self, lines: Sequence[TaxedLine], *, seller: Seller, buyer: Buyer, at: date) -> tuple[LineTax, ...]:
        """By core/billing/tax/rules.py. Raises TaxRateMissing."""
        return tax_of(lines, seller=seller, buyer=buyer, at=at, rates=self._rates)

    def known_at(self, instant: datetime) -> "RateTable":
        """Without the rates that were added later."""
        if self._newest is None or self._newest <= instant:
            return self
        return RateTable([rate for rate in self._rates if rate.created_at <= instant])
