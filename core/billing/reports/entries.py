"""A report is its entries: each figure is the sum of those that lead to it, and nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from core.billing.reports.months import Month


@dataclass(slots=True, kw_only=True)
class Entry:
    """A row that a figure is made of: an amount or a quantity, and where it comes from."""

    month: Month
    figure: str
    currency: str
    key: str = ""
    amount_micro: int = 0
    quantity: Decimal | None = None
    at: datetime | None = None
    what: str = ""
    customer_id: UUID | None = None
    subscription_id: UUID | None = None
    invoice_id: UUID | None = None
    number: str | None = None
    line_id: UUID | None = None
    credit_note_id: UUID | None = None


@dataclass(slots=True, kw_only=True)
class Figure:
    """The sum of the entries of one month, currency, name and key."""

    month: Month
    figure: str
    currency: str
    key: str
    amount_micro: int = 0
    quantity: Decimal | None = None
    entries: int = 0
    customers: int = 0


class Sums:
    """Figures as their entries come in: by month, currency, figure and key."""

    def __init__(self) -> None:
        self._found: dict[tuple[Month, str, str, str], tuple[Figure, set[UUID]]] = {}
        self._whole: list[Figure] = []

    def add(self, entry: Entry) -> None:
        """One more entry."""
        place = (entry.month, entry.currency, entry.figure, entry.key)
        known = self._found.get(place)
        if known is None:
            made = Figure(month=entry.month, figure=entry.figure, currency=entry.currency, key=entry.key)
            known = self._found[place] = (made, set())
        figure, customers = known
        figure.amount_micro += entry.amount_micro
        figure.entries += 1
        if entry.quantity is not None:
            figure.quantity = (figure.quantity or Decimal(0)) + entry.quantity
        if entry.customer_id is not None:
            customers.add(entry.customer_id)

    def put(self, month: Month, figure: str, currency: str, *, amount_micro: int, customers: int) -> None:
        """A whole figure of so many customers with an entry each; none where there is nobody."""
        if customers:
            made = Figure(month=month, figure=figure, currency=currency, key="", amount_micro=amount_micro)
            made.entries = made.customers = customers
            self._whole.append(made)

    def figures(self, order: Sequence[str]) -> list[Figure]:
        """By month, currency, figure (in the report's order) and key."""
        for figure, customers in self._found.values():
            figure.customers = len(customers)
        ranks = {name: rank for rank, name in enumerate(order)}
        found = [*self._whole, *(figure for figure, _ in self._found.values())]
        return sorted(found, key=lambda one: (one.month, one.currency, ranks[one.figure], one.key))
