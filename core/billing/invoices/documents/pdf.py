"""A document as a PDF/A-3 that one would send, with the electronic invoice inside where there is one.

Typst lays it out; fonts lie in packages, so that the same document gives the same bytes on any machine.
"""

import json
from functools import cache
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

from core.billing.invoices.documents.document import InvoiceDocument, Line, Party, check
from core.billing.invoices.documents.metadata import declare
from core.billing.invoices.documents.setting import FAMILIES, compile_pdf, settable
from core.billing.invoices.documents.wording import Language, language_of
from core.billing.invoices.documents.xml import find_obstacle, render_xml
from core.billing.sellers.logos import as_typst
from core.foundation.money import minor_digits

_ATTACHED = "factur-x.xml"
_COUNTED_ROWS = 300
_FIRST_PAGE_MM, _NEXT_PAGE_MM = 145.0, 212.0
"""What of a page is left for rows above a foot of the usual height."""

_FOOT_MM = 32.0


def render_pdf(document: InvoiceDocument) -> bytes:
    """PDF/A-3b. Raises DocumentInvalid for sums that do not match. A draft, and what EN 16931 has no form for, is a
    PDF without an electronic invoice."""
    check(document)
    files = {"main.typ": _template()}
    is_attached = find_obstacle(document) is None
    if is_attached:
        files[_ATTACHED] = render_xml(document)
    brand = document.branding
    logo = as_typst(brand.logo, brand.logo_type) if brand.logo and brand.logo_type else None
    shown = settable(_shown(document)) | {"logo": logo, "attached": is_attached, "families": FAMILIES}
    files["document.json"] = json.dumps(shown).encode()
    pdf = compile_pdf(files)
    return declare(pdf) if is_attached else pdf


@cache
def _template() -> bytes:
    return (Path(__file__).parent / "template.typ").read_bytes()


def _shown(document: InvoiceDocument) -> dict[str, Any]:
    language = language_of(document.language)
    words, currency, state = language.words, document.currency, document.state
    heading = words[document.kind]
    running = [language.money(amount, currency) for amount in accumulate(line.amount_minor for line in document.lines)]
    rows = _rows(document, language)
    footer = _footer(document, language)
    foot_mm = _foot_mm(footer, document.branding.footer)
    return {
        "language": language.code,
        "words": words,
        "title": f"{heading} {document.number}" if document.number else f"{heading} ({words['draft']})",
        "heading": heading,
        "stamp": words[state] if state in ("draft", "void") else None,
        "day": [document.issued_on.year, document.issued_on.month, document.issued_on.day],
        "accent": document.branding.accent_color,
        "seller": {"name": document.seller.name},
        "sender": " · ".join(_postal(document.seller, home=document.seller.country)),
        "recipient": _postal(document.buyer, home=document.seller.country),
        "facts": _facts(document, language),
        "before": _before(document, language),
        "rows": rows,
        "running": running,
        "pages": _pages(rows, running, foot_mm - _FOOT_MM) if len(rows) > _COUNTED_ROWS else None,
        "sums": _sums(document, language),
        "after": _after(document, language),
        "payment_url": document.payment_url if state == "open" and document.totals.due_minor > 0 else None,
        "footer": footer,
        "note": document.branding.footer,
        "foot": foot_mm,
    }


def _pages(rows: list[dict[str, Any]], running: list[str], less_mm: float) -> list[dict[str, Any]]:
    """Which rows stand on which page, by an estimate on the safe side: one that is too high flows over."""
    pages, start, height, lines = list[dict[str, Any]](), 0, 0.0, 0
    room = _FIRST_PAGE_MM - less_mm
    for place, row in enumerate(rows):
        needed = _height_mm(row)
        if height + needed > room and place > start:
            sum_so_far = running[lines - 1]
            pages.append({"start": start, "end": place, "forward": sum_so_far})
            start, height, room = place, 0.0, _NEXT_PAGE_MM - less_mm
        height += needed
        lines += row["kind"] == "line"
    pages.append({"start": start, "end": len(rows), "forward": None})
    for before, page in pairwise(pages):
        page["over"] = before["forward"]
    return pages


def _foot_mm(columns: list[list[str]], note: str | None) -> float:
    """How high the foot of each page is, by an estimate on the safe side; the usual one has room for seven lines."""
    lines = max(sum(-(-len(line) // 38) for line in column) for column in columns)
    lines += -(-len(note) // 115) if note else 0
    return max(_FOOT_MM, 13.0 + 3.2 * lines)


def _height_mm(row: dict[str, Any]) -> float:
    if row["kind"] == "group":
        return 7.0
    text_lines = -(-len(row["text"]) // 34)
    detail_lines = sum(-(-len(detail) // 48) for detail in row["details"])
    return 0.8 + 4.4 * text_lines + 3.7 * detail_lines


def _postal(party: Party, *, home: str | None = None) -> list[str]:
    place = " ".join(part for part in (party.postal_code, party.city) if part)
    country = party.country if party.country != home else None
    lines = (party.name, party.line1, party.line2, ", ".join(part for part in (place, party.region) if part), country)
    return [line for line in lines if line]


def _facts(document: InvoiceDocument, language: Language) -> list[list[str]]:
    words = language.words
    found = [
        (words["number"], document.number or "–"),
        (words["date"], language.day(document.issued_on)),
        (words["due"], language.day(document.due_on) if document.due_on else None),
        (words["customer"], document.buyer.reference),
        (words["your_vat"], document.buyer.tax_id),
        (words["order"], document.order_reference),
    ]
    if document.period_start and document.period_end:
        found.insert(3, (words["period"], language.days(document.period_start, document.period_end)))
    return [[name, value] for name, value in found if value]


def _before(document: InvoiceDocument, language: Language) -> list[str]:
    words, found = language.words, list[str]()
    if document.state == "draft":
        found.append(words["is_draft"])
    if document.state == "void":
        found.append(words["is_void"])
    if document.corrects_number:
        on = f" {words['of']} {language.day(document.corrects_issued_on)}" if document.corrects_issued_on else ""
        found.append(f"{words['corrects']} {document.corrects_number}{on}.")
    return found


def _rows(document: InvoiceDocument, language: Language) -> list[dict[str, Any]]:
    rows, group = list[dict[str, Any]](), None
    for number, line in enumerate(document.lines, 1):
        if line.group != group:
            group = line.group
            if group:
                rows.append({"kind": "group", "text": group})
        rows.append(
            {
                "kind": "line",
                "number": str(number),
                "text": line.description,
                "details": _details(line, document.currency, language),
                "quantity": language.number(line.quantity) + (f" {line.unit}" if line.unit else ""),
                "price": ""
                if line.unit_price is None
                else language.number(line.unit_price, decimals=minor_digits(document.currency)),
                "tax": f"{language.number(line.tax_percent)} %" if line.tax_category in ("S", "Z") else "–",
                "amount": language.amount(line.amount_minor, document.currency),
            }
        )
    return rows


def _details(line: Line, currency: str, language: Language) -> list[str]:
    found = [language.days(line.period_start, line.period_end)] if line.period_start and line.period_end else []
    found += line.details
    found += [
        f"{language.words['discount']}: {discount.name}, {language.money(-discount.amount_minor, currency)}"
        for discount in line.discounts
    ]
    return found


def _sums(document: InvoiceDocument, language: Language) -> list[list[str]]:
    words, currency, totals = language.words, document.currency, document.totals
    rows = [[words["net"], language.money(totals.net_minor, currency), ""]]
    for tax in document.taxes:
        basis = language.money(tax.basis_minor, currency)
        if tax.category in ("S", "Z"):
            name = words["plus"].format(name=tax.name, percent=language.number(tax.percent), basis=basis)
        else:
            name = words["no_tax"].format(basis=basis)
        rows.append([name, language.money(tax.amount_minor, currency), ""])
    if not (totals.credits_minor or totals.paid_minor):
        name = words["to_credit" if document.kind == "credit_note" else "total"]
        return [*rows, [name, language.money(totals.total_minor, currency), "strong"]]
    rows.append([words["total"], language.money(totals.total_minor, currency), "strong"])
    credits = "credits" if totals.credits_minor > 0 else "to_balance"
    for name, amount in ((credits, totals.credits_minor), ("payments", totals.paid_minor)):
        if amount:
            rows.append([words[name], language.money(-amount, currency), ""])
    due = words["to_credit" if document.kind == "credit_note" else "to_pay"]
    return [*rows, [due, language.money(totals.due_minor, currency), "strong"]]


def _after(document: InvoiceDocument, language: Language) -> list[str]:
    found = [tax.reason for tax in document.taxes if tax.reason and tax.category not in ("S", "Z")]
    if document.state in ("open", "paid", "uncollectible"):
        found.append(_payment(document, language))
    return [*found, *document.notes]


def _payment(document: InvoiceDocument, language: Language) -> str:
    words, due = language.words, document.totals.due_minor
    if document.kind == "credit_note" or document.totals.total_minor < 0:
        return words["pay_credit"]
    if document.state == "paid":
        return words["pay_paid"]
    if due <= 0:
        return words["pay_none"]
    amount = language.money(due, document.currency)
    by = language.day(document.due_on or document.issued_on)
    if document.is_charged:
        return words["pay_charged"].format(amount=amount)
    if document.bank:
        return words["pay_transfer"].format(
            amount=amount, due=by, iban=_grouped(document.bank.iban), number=document.number
        )
    return words["pay_any"].format(amount=amount, due=by)


def _footer(document: InvoiceDocument, language: Language) -> list[list[str]]:
    words, seller, bank = language.words, document.seller, document.bank
    name, *place = _postal(seller)
    contact = [" · ".join(part for part in (seller.email, seller.phone) if part), seller.website]
    official = [
        (words["vat"], seller.tax_id),
        (words["tax_number"], seller.tax_number),
        (words["register"], seller.registration),
    ]
    account = [bank.name, f"IBAN {_grouped(bank.iban)}", f"BIC {bank.bic}" if bank.bic else None] if bank else []
    columns = [
        [name, " · ".join(place), *(line for line in contact if line)],
        [f"{name} {value}" for name, value in official if value],
        [line for line in account if line],
    ]
    return columns


def _grouped(iban: str) -> str:
    return " ".join(iban[place : place + 4] for place in range(0, len(iban), 4))
