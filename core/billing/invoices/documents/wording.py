"""What stands on a document in each language, and how numbers and days are written there. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from core.foundation.money import format_decimal, minor_digits, minor_to_units

_SYMBOLS = {"EUR": "€", "USD": "$", "GBP": "£", "JPY": "¥"}
_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()  # noqa: SIM905


@dataclass(frozen=True, slots=True)
class Language:
    """A language: its words, and the signs it writes numbers with."""

    code: str
    point: str
    thousands: str
    words: Mapping[str, str]

    def number(self, value: Decimal, *, decimals: int = 0) -> str:
        """A number with at least `decimals` digits after the point, never in another spelling than the language's."""
        head, _, tail = format_decimal(abs(value)).partition(".")
        groups = f"{int(head):,}".replace(",", self.thousands)
        tail = tail.ljust(decimals, "0")
        return ("−" if value < 0 else "") + groups + (self.point + tail if tail else "")

    def amount(self, amount_minor: int, currency: str) -> str:
        """An amount without its currency."""
        return self.number(minor_to_units(amount_minor, currency), decimals=minor_digits(currency))

    def money(self, amount_minor: int, currency: str) -> str:
        """An amount with its currency."""
        symbol, written = _SYMBOLS.get(currency), self.amount(amount_minor, currency)
        if symbol is None or self.code != "en":
            return f"{written}\u00a0{symbol or currency}"
        return f"−{symbol}{written[1:]}" if written.startswith("−") else f"{symbol}{written}"

    def day(self, day: date) -> str:
        """A day that cannot be mistaken for another."""
        if self.code == "de":
            return f"{day:%d.%m.%Y}"
        return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"

    def days(self, start: date, end: date) -> str:
        """From `start` up to, but without, `end`: as first and last day."""
        last = end - timedelta(days=1)
        return self.day(start) if last <= start else f"{self.day(start)} – {self.day(last)}"


_EN = {
    "invoice": "Invoice", "credit_note": "Credit note", "draft": "Draft", "void": "Void", "paid": "Paid",
    "number": "Number", "date": "Date", "due": "Due", "period": "Service period", "customer": "Customer no.",
    "your_vat": "Your VAT no.", "order": "Your order", "corrects": "Corrects invoice", "of": "of",
    "position": "#", "description": "Description", "quantity": "Quantity", "price": "Price", "tax": "Tax",
    "amount": "Amount", "carried_over": "Carried over", "carried_forward": "Carried forward",
    "net": "Net total", "plus": "{name} {percent} % on {basis}", "no_tax": "No tax on {basis}", "total": "Total",
    "credits": "Paid from credits", "payments": "Paid", "to_pay": "Amount due", "to_credit": "Credited",
    "discount": "Discount", "page": "Page", "page_of": "of", "vat": "VAT no.", "tax_number": "Tax no.",
    "register": "Register", "bank": "Bank", "phone": "Phone",
    "pay_transfer": "Please transfer {amount} by {due} to {iban}, quoting {number}.",
    "pay_any": "Please pay {amount} by {due}.",
    "pay_charged": "{amount} will be charged to your saved payment method.",
    "pay_none": "Nothing needs to be paid.", "pay_online": "Pay online",
    "pay_credit": "The amount is credited to you.", "pay_paid": "This invoice is paid. Thank you.",
    "is_void": "This document is void.", "is_draft": "This is a draft, not an invoice: it may still change.",
    "reverse_charge": "Reverse charge: the customer owes the tax (Article 196 of Directive 2006/112/EC).",
    "outside_scope": "Not subject to tax here: the place of supply is the customer's country.",
    "not_registered": "No tax is charged.",
    "export": "Exempt: export (Article 146 of Directive 2006/112/EC).",
    "intra_community": "Exempt: supply within the European Union (Article 138 of Directive 2006/112/EC).",
    "exempt": "Exempt from tax: {text}", "exempt_plain": "Exempt from tax.", "to_balance": "Credited to your balance",
}  # fmt: skip
_DE = {
    "invoice": "Rechnung", "credit_note": "Rechnungskorrektur", "draft": "Entwurf", "void": "Storniert",
    "paid": "Bezahlt", "number": "Nummer", "date": "Datum", "due": "Fällig am", "period": "Leistungszeitraum",
    "customer": "Kundennr.", "your_vat": "Ihre USt-IdNr.", "order": "Ihre Bestellung",
    "corrects": "Korrigiert Rechnung", "of": "vom", "position": "Pos.", "description": "Beschreibung",
    "quantity": "Menge", "price": "Preis", "tax": "USt.", "amount": "Betrag", "carried_over": "Übertrag",
    "carried_forward": "Zwischensumme", "net": "Summe netto", "plus": "{name} {percent} % auf {basis}",
    "no_tax": "Ohne Steuer auf {basis}", "total": "Gesamtbetrag", "credits": "Aus Guthaben bezahlt",
    "payments": "Bezahlt", "to_pay": "Zu zahlen", "to_credit": "Gutschrift", "discount": "Rabatt", "page": "Seite",
    "page_of": "von", "vat": "USt-IdNr.", "tax_number": "Steuernr.", "register": "Register", "bank": "Bank",
    "phone": "Telefon",
    "pay_transfer": "Bitte überweisen Sie {amount} bis zum {due} auf {iban} unter Angabe von {number}.",
    "pay_any": "Bitte zahlen Sie {amount} bis zum {due}.",
    "pay_charged": "{amount} werden von Ihrer hinterlegten Zahlungsart abgebucht.",
    "pay_none": "Es ist nichts zu zahlen.", "pay_online": "Online bezahlen",
    "pay_credit": "Der Betrag wird Ihnen gutgeschrieben.",
    "pay_paid": "Diese Rechnung ist bezahlt. Vielen Dank.", "is_void": "Dieses Dokument ist storniert.",
    "is_draft": "Dies ist ein Entwurf und keine Rechnung: er kann sich noch ändern.",
    "reverse_charge": "Steuerschuldnerschaft des Leistungsempfängers (Art. 196 der Richtlinie 2006/112/EG).",
    "outside_scope": "Im Inland nicht steuerbar: der Leistungsort liegt im Land des Kunden.",
    "not_registered": "Es wird keine Steuer berechnet.",
    "export": "Steuerfreie Ausfuhr (Art. 146 der Richtlinie 2006/112/EG).",
    "intra_community": "Steuerfreie innergemeinschaftliche Lieferung (Art. 138 der Richtlinie 2006/112/EG).",
    "exempt": "Steuerfrei: {text}", "exempt_plain": "Steuerfrei.", "to_balance": "Ihrem Guthaben gutgeschrieben",
}  # fmt: skip
LANGUAGES = {"en": Language("en", ".", ",", _EN), "de": Language("de", ",", ".", _DE)}


def language_of(code: str) -> Language:
    """The language, by its first two letters; English where it is not spoken here."""
    return LANGUAGES.get(code[:2], LANGUAGES["en"])


def reason_in(language: str, reason: str, text: str | None = None) -> str:
    """Why no tax is charged, as it stands on the document; `reason` as `core/billing/tax` names it."""
    words = language_of(language).words
    if reason == "exempt" and not text:
        return words["exempt_plain"]
    return words[reason].format(text=text or "")
