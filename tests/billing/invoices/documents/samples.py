"""Documents to render: an invoice as it is in practice, and what can be odd about one."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

from core.billing.invoices.documents.document import (
    Bank,
    Branding,
    Discount,
    InvoiceDocument,
    Line,
    Party,
    Tax,
    Totals,
)
from core.billing.invoices.documents.wording import reason_in

LOGO = (
    b'<svg xmlns="http://www.w3.org/2000/svg" width="240" height="60" viewBox="0 0 240 60"><circle cx="30" cy="30" '
    b'r="26" fill="#0b7a75"/><path d="M18 32l9 9 16-20" stroke="#fff" stroke-width="5" fill="none"/>'
    b'<rect x="70" y="20" width="160" height="8" fill="#0b7a75"/><rect x="70" y="34" width="110" height="8" '
    b'fill="#9bd1cd"/></svg>'
)
SELLER = Party(
    name="Analytical Engines GmbH",
    line1="Torstraße 1",
    city="Berlin",
    postal_code="10119",
    country="DE",
    email="billing@engines.example",
    phone="+4930123456",
    website="https://engines.example",
    tax_id="DE136695976",
    tax_number="37/123/45678",
    registration="HRB 123456 B",
)
BUYER = Party(
    name="Müller & Söhne KG",
    line1="Königsallee 27",
    city="Düsseldorf",
    postal_code="40212",
    country="DE",
    email="rechnung@mueller.example",
    tax_id="DE129273398",
    reference="C-1042",
)
BANK = Bank(iban="DE89370400440532013000", bic="COBADEFFXXX", name="Commerzbank")
BRANDING = Branding(
    accent_color="#0b7a75", logo=LOGO, logo_type="image/svg+xml", footer="Geschäftsführerin: Ada Lovelace"
)


def line(amount_minor: int, tax_minor: int, percent: str = "19", **more: Any) -> Line:
    """A line of the standard rate unless told otherwise."""
    given: dict[str, Any] = {
        "description": "Team plan",
        "quantity": Decimal(1),
        "tax_category": "S",
        "tax_percent": Decimal(percent),
    }
    return Line(amount_minor=amount_minor, tax_minor=tax_minor, **{**given, **more})


def document(lines: list[Line], *, credits_minor: int = 0, paid_minor: int = 0, **more: Any) -> InvoiceDocument:
    """A document of these lines, its taxes and totals summed up."""
    groups: dict[tuple[str, Decimal], list[Line]] = {}
    for one in lines:
        groups.setdefault((one.tax_category, one.tax_percent), []).append(one)
    language = more.get("language", "en")
    reasons = {"AE": "reverse_charge", "O": "outside_scope", "E": "exempt", "K": "intra_community", "G": "export"}
    codes = {"AE": "VATEX-EU-AE", "O": "VATEX-EU-O", "K": "VATEX-EU-IC", "G": "VATEX-EU-G"}
    taxes = tuple(
        Tax(
            name="USt." if language == "de" else "VAT",
            category=category,  # pyright: ignore[reportArgumentType]
            percent=percent,
            basis_minor=sum(one.amount_minor for one in group),
            amount_minor=sum(one.tax_minor for one in group),
            reason=reason_in(language, reasons[category], "Art. 151") if category in reasons else None,
            reason_code=codes.get(category),
        )
        for (category, percent), group in groups.items()
    )
    net, tax = sum(one.amount_minor for one in lines), sum(one.amount_minor for one in taxes)
    totals = Totals(
        net_minor=net,
        tax_minor=tax,
        total_minor=net + tax,
        credits_minor=credits_minor,
        paid_minor=paid_minor,
        due_minor=net + tax - credits_minor - paid_minor,
    )
    given: dict[str, Any] = {
        "number": "INV-00042",
        "issued_on": date(2026, 11, 1),
        "due_on": date(2026, 11, 15),
        "currency": "EUR",
        "seller": SELLER,
        "buyer": BUYER,
        "bank": BANK,
        "branding": BRANDING,
        "period_start": date(2026, 10, 1),
        "period_end": date(2026, 11, 1),
    }
    return InvoiceDocument(lines=tuple(lines), taxes=taxes, totals=totals, **{**given, **more})


OCTOBER: dict[str, Any] = {"period_start": date(2026, 10, 1), "period_end": date(2026, 11, 1)}


def usual(language: str = "de") -> InvoiceDocument:
    """Seats, tiers, a coupon, two rates, a credit for the old plan, credits applied."""
    lines = [
        line(20_000, 3_800, description="Team plan", quantity=Decimal(8), unit="seats", unit_price=Decimal("25"),
             group="Subscription Team", **OCTOBER),
        line(11_115, 2_112, description="API calls", quantity=Decimal("1234567"), **OCTOBER,
             details=("1,000,000 at 0.0001 and 234,567 at 0.00005 per call",), group="Subscription Team",
             discounts=(Discount(name="WELCOME10", amount_minor=1_235),)),
        line(-4_167, -792, description="Unused time, plan Starter", unit_price=None, group="Subscription Team",
             details=("10 of 31 days",), period_start=date(2026, 10, 22), period_end=date(2026, 11, 1)),
        line(4_900, 343, "7", description="Handbook 電子書籍 (e-book)", unit_price=Decimal("49"), group="One-off"),
    ]  # fmt: skip
    return document(lines, language=language, credits_minor=5_000)


def many(count: int) -> InvoiceDocument:
    """So many lines of 1.23."""
    lines = [
        line(123, 0, "0", tax_category="Z", description=f"Call of tenant {number}", unit_price=Decimal("1.23"))
        for number in range(count)
    ]
    return document(lines)


def of_currency(currency: str) -> InvoiceDocument:
    """The same figures in another currency, sold abroad."""
    made = document(
        [line(1_234_567, 0, "0", tax_category="O", description="Platform")],
        currency=currency,
        buyer=replace(BUYER, name="株式会社テスト", country="JP", tax_id=None, city="東京"),
    )
    return made
