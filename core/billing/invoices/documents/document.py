"""An invoice or a credit note as it is sent: everything that stands on it, and nothing that is looked up. Pure.

Amounts are minor units of `currency`. A credit note states what it gives back in positive amounts. The same document
gives the same bytes, as PDF and as XML.
"""

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Literal

from core.foundation.errors import CloudBillError

Kind = Literal["invoice", "credit_note"]
State = Literal["draft", "open", "paid", "void", "uncollectible"]
Category = Literal["S", "Z", "E", "AE", "O", "G", "K"]
"""How EN 16931 (UNCL 5305) calls why a tax is or is not charged: standard, zero, exempt, reverse charge, outside the
scope, export, supply within the Union."""


class DocumentInvalid(CloudBillError):
    """Sums that do not match, or a part that the law asks for and that is missing."""

    status = 409
    code = "document_invalid"
    title = "The document cannot be issued"


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """Who sells, or who buys. `tax_id` is the VAT number; `tax_number` the local one of a seller."""

    name: str
    line1: str | None = None
    line2: str | None = None
    city: str | None = None
    postal_code: str | None = None
    region: str | None = None
    country: str | None = None
    email: str | None = None
    phone: str | None = None
    website: str | None = None
    tax_id: str | None = None
    tax_number: str | None = None
    registration: str | None = None
    reference: str | None = None
    """The customer's number at the tenant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Discount:
    """Taken off one line; `amount_minor` is positive where it lessens a positive line."""

    name: str
    amount_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One position. `amount_minor` is net, after its discounts: what they and `tax_percent` are reckoned from.

    `unit_price` is shown where the line is that price times the quantity; where it is not (tiers, minimums), it is
    None and `details` say how it comes about. `period_end` is the day after the last one.
    """

    description: str
    quantity: Decimal
    amount_minor: int
    tax_category: Category
    tax_percent: Decimal
    tax_minor: int
    unit_price: Decimal | None = None
    unit: str | None = None
    """As people read it: "seats", "GB"."""
    details: tuple[str, ...] = ()
    period_start: date | None = None
    period_end: date | None = None
    discounts: tuple[Discount, ...] = ()
    group: str | None = None
    """A heading shared by lines that follow each other, such as the subscription they are of."""

    @property
    def gross_minor(self) -> int:
        """Before its discounts."""
        return self.amount_minor + sum(discount.amount_minor for discount in self.discounts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tax:
    """All lines of one category and rate. `reason` says why nothing is charged; `reason_code` is of the VATEX list."""

    name: str
    category: Category
    percent: Decimal
    basis_minor: int
    amount_minor: int
    reason: str | None = None
    reason_code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """`due_minor` is the total less credits of the wallet and what was paid."""

    net_minor: int
    tax_minor: int
    total_minor: int
    credits_minor: int = 0
    paid_minor: int = 0
    due_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bank:
    """Where to transfer to."""

    iban: str
    bic: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Branding:
    """How the tenant looks. `logo` is the picture itself, of the type `logo_type`."""

    accent_color: str = "#1f4e79"
    logo: bytes | None = None
    logo_type: str | None = None
    footer: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceDocument:
    """What is sent. A draft has no number and no XML."""

    kind: Kind = "invoice"
    state: State = "open"
    number: str | None
    issued_on: date
    due_on: date | None = None
    currency: str
    language: str = "en"
    seller: Party
    buyer: Party
    lines: tuple[Line, ...]
    taxes: tuple[Tax, ...]
    totals: Totals
    period_start: date | None = None
    period_end: date | None = None
    """The day after the last one."""
    corrects_number: str | None = None
    """Of a credit note: the invoice that it corrects."""
    corrects_issued_on: date | None = None
    order_reference: str | None = None
    is_charged: bool = False
    """A saved payment method is charged: nobody needs to transfer anything."""
    bank: Bank | None = None
    payment_url: str | None = None
    notes: tuple[str, ...] = ()
    branding: Branding = field(default_factory=Branding)


def check(document: InvoiceDocument) -> None:
    """Raises DocumentInvalid where lines, taxes and totals are not one sum."""
    totals = document.totals
    by_rate: dict[tuple[str, Decimal], tuple[int, int]] = {}
    for line in document.lines:
        basis, tax = by_rate.get((line.tax_category, line.tax_percent), (0, 0))
        by_rate[line.tax_category, line.tax_percent] = basis + line.amount_minor, tax + line.tax_minor
    stated = {(tax.category, tax.percent): (tax.basis_minor, tax.amount_minor) for tax in document.taxes}
    for wrong, message in (
        (len(stated) != len(document.taxes), "a tax rate is stated twice"),
        (
            sum(line.amount_minor for line in document.lines) != totals.net_minor,
            "the lines do not sum to the net total",
        ),
        (by_rate != stated, "the taxes are not those of the lines"),
        (sum(tax.amount_minor for tax in document.taxes) != totals.tax_minor, "the taxes do not sum to their total"),
        (totals.net_minor + totals.tax_minor != totals.total_minor, "net and tax are not the total"),
        (
            totals.total_minor - totals.credits_minor - totals.paid_minor != totals.due_minor,
            "what is due is not the total less what was paid",
        ),
    ):
        if wrong:
            raise DocumentInvalid(f"{document.kind.replace('_', ' ')} {document.number or '(draft)'}: {message}.")
