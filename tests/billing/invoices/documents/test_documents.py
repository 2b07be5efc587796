"""Documents as they are sent: the same bytes each time, rules of EN 16931 kept, and a wrong sum found."""

import re
from base64 import b64decode
from dataclasses import replace
from datetime import date
from decimal import Decimal
from io import BytesIO

import pytest
from pypdf import PdfReader

from core.billing.invoices.documents.checking import check_xml
from core.billing.invoices.documents.document import Branding, Discount, DocumentInvalid, InvoiceDocument, Totals
from core.billing.invoices.documents.pdf import render_pdf
from core.billing.invoices.documents.wording import LANGUAGES
from core.billing.invoices.documents.xml import NoElectronicInvoice, find_obstacle, render_xml
from core.billing.sellers.logos import check_logo
from core.billing.sellers.schemas import LogoInvalid
from tests.billing.invoices.documents.samples import (
    BRANDING,
    BUYER,
    LOGO,
    SELLER,
    document,
    line,
    many,
    of_currency,
    usual,
)

PIXEL = b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
ABROAD = replace(BUYER, name="Société Anonyme", country="FR", tax_id="FR61954506077")
CREDIT_NOTE = document(
    [line(10_000, 1_900, description="Team plan, one seat less")],
    kind="credit_note",
    number="CN-00003",
    due_on=None,
    corrects_number="INV-00042",
    corrects_issued_on=date(2026, 11, 1),
)
KINDS = {
    "usual": usual(),
    "English": usual("en"),
    "reverse charge": document([line(10_000, 0, "0", tax_category="AE")], buyer=ABROAD),
    "export": document([line(10_000, 0, "0", tax_category="G")], buyer=replace(ABROAD, country="US", tax_id=None)),
    "within the Union": document([line(10_000, 0, "0", tax_category="K")], buyer=ABROAD),
    "outside the scope": document([line(10_000, 0, "0", tax_category="O")], buyer=replace(ABROAD, country="US")),
    "exempt": document([line(10_000, 0, "0", tax_category="E")]),
    "two reasons": document([line(10_000, 0, "0", tax_category="E"), line(5_000, 950)]),
    "zero rate": document([line(10_000, 0, "0", tax_category="Z")]),
    "credit note": CREDIT_NOTE,
    "in dollars, charged": document([line(10_000, 1_900)], currency="USD", is_charged=True, bank=None),
    "in yen": document([line(10_000, 1_900)], currency="JPY"),
    "nothing due": document([line(0, 0)], due_on=None),
    "a credit greater than the rest": document([line(1_000, 190), line(-5_000, -950)], due_on=None),
    "wholly discounted": document([line(0, 0, discounts=(Discount(name="FREE", amount_minor=5_000),))], due_on=None),
    "a credit that a coupon shrinks": document(
        [line(-100, -19, discounts=(Discount(name="NINE", amount_minor=-400),))], due_on=None
    ),
    "half a unit": document([line(1_250, 238, quantity=Decimal("0.5"), unit_price=Decimal("25"))]),
    "many tiers": document([line(777, 148, quantity=Decimal("123456.789"), details=("a", "b"))]),
    "a one-off without a period": document([line(500, 95)], period_start=None, period_end=None),
    "hostile texts": document(
        [line(500, 95, description='#panic("x") <script> & $a$ *b* \\', details=("=HYPERLINK(1)",))],
        buyer=replace(BUYER, name="#import <&> \"'", line1="]] -- ]]>"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_document_keeps_the_schema_and_the_rules(kind: str) -> None:
    assert check_xml(render_xml(KINDS[kind])) == []


@pytest.mark.parametrize(
    ("tag", "rule"),
    [
        ("GrandTotalAmount", "CO-15"),
        ("DuePayableAmount", "CO-16"),
        ("TaxBasisTotalAmount", "CO-13"),
        ("LineTotalAmount", "CO-10"),
        ("CalculatedAmount", "CO-14"),
        ("TaxTotalAmount", "CO-14"),
    ],
)
def test_a_wrong_sum_keeps_the_schema_and_breaks_a_rule(tag: str, rule: str) -> None:
    xml = render_xml(usual()).decode()
    # The first line's total and the header's have one name: the last one is the header's.
    places = list(re.finditer(rf"<ram:{tag}[^>]*>([0-9.]+)</", xml))
    place = places[-1]
    wrong = xml[: place.start(1)] + f"{Decimal(place[1]) + 10:f}" + xml[place.end(1) :]
    found = check_xml(wrong.encode())
    assert any(rule in fault for fault in found), found
    assert not any(fault.startswith("XSD") for fault in found)


def test_what_is_no_invoice_is_said_to_be_none() -> None:
    assert check_xml(b"<invoice")[0].startswith("not XML")
    assert check_xml(b"<invoice/>")[0].startswith("XSD")
    xml = render_xml(usual()).decode()
    assert check_xml(xml.replace("<ram:CountryID>DE</ram:CountryID>", "", 1).encode()) != []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"net_minor": 1, "total_minor": 1}, "lines do not sum"),
        ({"tax_minor": 1}, "taxes do not sum"),
        ({"total_minor": 1}, "not the total"),
        ({"due_minor": 1}, "what is due"),
    ],
)
def test_sums_that_do_not_match_are_never_rendered(change: dict[str, int], said: str) -> None:
    good = usual()
    totals = {name: getattr(good.totals, name) for name in Totals.__slots__}
    bad = replace(good, totals=Totals(**{**totals, **change}))
    for render in (render_xml, render_pdf):
        with pytest.raises(DocumentInvalid, match=said):
            render(bad)
    twice = replace(good, taxes=(*good.taxes, good.taxes[0]))
    with pytest.raises(DocumentInvalid, match="twice"):
        render_pdf(twice)


@pytest.mark.parametrize("kind", ["usual", "credit note", "reverse charge", "hostile texts"])
def test_the_same_document_gives_the_same_bytes_and_carries_its_electronic_form(kind: str) -> None:
    pdf = render_pdf(KINDS[kind])
    assert render_pdf(KINDS[kind]) == pdf
    reader = PdfReader(BytesIO(pdf))
    assert reader.attachments["factur-x.xml"][0] == render_xml(KINDS[kind])
    metadata = reader.trailer["/Root"]["/Metadata"].get_data().decode()
    assert "<pdfaid:part>3</pdfaid:part>" in metadata
    assert "<fx:ConformanceLevel>EN 16931</fx:ConformanceLevel>" in metadata
    assert metadata.index("urn:factur-x:pdfa:CrossIndustryDocument") < metadata.index("<fx:DocumentType>")
    fonts = {font for page in reader.pages for font in _fonts(page)}
    assert fonts
    assert all("+NotoSans" in font for font in fonts)


def _fonts(page: object) -> list[str]:
    fonts = page["/Resources"]["/Font"]  # pyright: ignore
    return [str(fonts[name]["/BaseFont"]) for name in fonts]


def _text(made: InvoiceDocument) -> list[str]:
    return [page.extract_text().replace("\u00a0", " ") for page in PdfReader(BytesIO(render_pdf(made))).pages]


def test_numbers_days_and_words_are_of_the_customers_language() -> None:
    (german,), (english,) = _text(usual()), _text(usual("en"))
    for text in ("Rechnung", "318,48 €", "USt. 19 % auf 269,48 €", "01.11.2026", "1.234.567", "−50,00 €", "323,11 €"):
        assert text in german, text
    for text in ("Invoice", "€318.48", "VAT 19 % on €269.48", "1 Nov 2026", "1,234,567", "−€50.00", "€323.11"):
        assert text in english, text
    assert _text(replace(usual("en"), language="fr")) == [english]
    assert set(LANGUAGES["de"].words) == set(LANGUAGES["en"].words)


@pytest.mark.parametrize(
    ("currency", "shown"), [("JPY", "¥1,234,567"), ("EUR", "€12,345.67"), ("KWD", "1,234.567 KWD")]
)
def test_amounts_have_the_decimals_of_their_currency(currency: str, shown: str) -> None:
    (text,) = _text(of_currency(currency))
    assert shown in text


def test_reasons_why_no_tax_is_charged_stand_on_the_page() -> None:
    assert "Reverse charge: the customer owes the tax" in _text(KINDS["reverse charge"])[0]
    assert "Exempt from tax: Art. 151" in _text(KINDS["exempt"])[0]
    assert "Corrects invoice INV-00042 of 1 Nov 2026." in _text(CREDIT_NOTE)[0]


@pytest.mark.parametrize("name", ["บริษัท ตัวอย่าง", "شركة المثال", "株式会社", "חברה", "தமிழ்", "ខ្មែរ"])
def test_a_name_in_another_script_stands_on_the_page(name: str) -> None:
    made = document([line(100, 19)], buyer=replace(BUYER, name=name))
    assert "\ufffd" not in _text(made)[0]
    fonts = [font for page in PdfReader(BytesIO(render_pdf(made))).pages for font in _fonts(page)]
    assert not any("Mono" in font for font in fonts), fonts


def test_a_sign_that_no_font_has_is_said_to_be_missing_and_the_rest_stands() -> None:
    (text,) = _text(
        document([line(100, 19, description="Rocket \U0001f680 \u0378 fuel")], buyer=replace(BUYER, name="😀 GmbH"))
    )
    assert "Rocket \ufffd \ufffd fuel" in text
    assert "\ufffd GmbH" in text


def test_long_words_figures_and_feet_keep_to_their_place() -> None:
    made = document(
        [line(10**14 - 1, 0, "0", tax_category="Z", description="x" * 200, quantity=Decimal("123456789.123456789"))]
        * 40,
        buyer=replace(BUYER, name="Donaudampfschifffahrtselektrizitätenhauptbetriebswerk", reference="R" * 200),
        branding=replace(BRANDING, footer="Managing director: Ada Lovelace. " * 15),
    )
    pages = _text(made)
    # Each row stands whole on one page, and below the long foot there is still the number of the page.
    for number, page in enumerate(pages, 1):
        assert page.replace("\n", "").count("x" * 200) == page.count("999,999,999,999.99")
        assert f"Page {number} of {len(pages)}" in page
    assert sum(page.count("999,999,999,999.99") for page in pages) == 40


def test_what_goes_into_the_balance_is_not_called_paid() -> None:
    made = document([line(-1_000, -190)], credits_minor=-1_190, state="paid", due_on=None)
    (text,) = _text(made)
    assert "Credited to your balance" in text
    assert "is paid" not in text
    assert "Paid from credits" not in text


def test_a_seller_known_by_its_tax_number_alone_is_identified_by_it() -> None:
    small = replace(SELLER, tax_id=None, registration=None)
    for made in (
        document([line(1_000, 0, "0", tax_category="O")], seller=small),
        document([line(1_000, 0, "0", tax_category="E")], seller=small),
    ):
        xml = render_xml(made)
        assert [fault for fault in check_xml(xml) if "CO-26" in fault] == []
        assert b"<ram:ID>37/123/45678</ram:ID>" in xml
    registered = document([line(1_000, 0, "0", tax_category="O")], seller=replace(SELLER, registration=None))
    assert check_xml(render_xml(registered)) == []


@pytest.mark.parametrize("count", [120, 400])
def test_sums_are_carried_over_pages_and_pages_are_numbered(count: int) -> None:
    pages = _text(many(count))
    assert len(pages) > 2
    forward = [re.search(r"Carried forward\s*€([0-9.,]+)", page) for page in pages]
    over = [re.search(r"Carried over\s*€([0-9.,]+)", page) for page in pages]
    assert over[0] is None
    for number, page in enumerate(pages[:-2]):
        lines = len(re.findall(r"Call of tenant", "".join(pages[: number + 1])))
        carried = forward[number]
        assert carried is not None
        assert carried[1].replace(",", "") == str(Decimal("1.23") * lines)
        following = over[number + 1]
        assert following is not None
        assert following[1] == carried[1]
        assert f"Page {number + 1} of {len(pages)}" in page
    assert sum(page.count("Call of tenant") for page in pages) == count


def test_what_has_no_electronic_form_is_a_page_without_one_and_says_why() -> None:
    draft = replace(usual(), state="draft", number=None)
    reasons = {
        "A draft has no number yet": draft,
        "KWD has three": of_currency("KWD"),
        "customer's address has no country": document([line(1, 0)], buyer=replace(BUYER, country=None)),
        "neither a tax number nor a register entry": document(
            [line(1, 0)], seller=replace(SELLER, tax_id=None, tax_number=None, registration=None)
        ),
        "Reverse charge needs": document([line(1, 0, "0", tax_category="AE")], buyer=replace(ABROAD, tax_id=None)),
        # Who has moved here since: what comes back was outside, what is charged is not.
        "on an invoice by itself": document([line(100, 19, "19"), line(-50, 0, "0", tax_category="O")]),
    }
    for reason, made in reasons.items():
        assert reason in (find_obstacle(made) or "")
        with pytest.raises(NoElectronicInvoice, match=reason):
            render_xml(made)
    reader = PdfReader(BytesIO(render_pdf(draft)))
    assert dict(reader.attachments) == {}
    assert "Dies ist ein Entwurf" in reader.pages[0].extract_text()


def test_a_picture_that_cannot_be_drawn_is_refused_before_an_invoice_bears_it() -> None:
    check_logo(LOGO, "image/svg+xml")
    check_logo(PIXEL, "image/png")
    for content, kind in (
        (PIXEL[:40], "image/png"),
        (b"\xff\xd8\xff", "image/jpeg"),
        (b"<svg", "image/svg+xml"),
        (PIXEL, "image/jpeg"),
    ):
        with pytest.raises(LogoInvalid, match=r"cannot be drawn"):
            check_logo(content, kind)
    assert b"/XObject" in render_pdf(replace(usual(), branding=Branding(logo=PIXEL, logo_type="image/png")))
