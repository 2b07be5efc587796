"""A document as an electronic invoice: UN/CEFACT CII by EN 16931, as Factur-X carries it. Pure.

A line says its price as it was agreed where that times the quantity is the line; else what the whole quantity costs
(price base quantity), since tiers and minimums have no price apiece.
"""

from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from xml.etree.ElementTree import Element, SubElement, register_namespace, tostring

from core.billing.invoices.documents.document import DocumentInvalid, InvoiceDocument, Line, Party, Tax, check
from core.foundation.money import format_decimal, minor_digits, minor_to_units, round_to_minor

GUIDELINE = "urn:cen.eu:en16931:2017"
_NAMESPACES = {
    "rsm": "urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100",
    "ram": "urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100",
    "udt": "urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100",
    "qdt": "urn:un:unece:uncefact:data:standard:QualifiedDataType:100",
}
for _prefix, _uri in _NAMESPACES.items():
    register_namespace(_prefix, _uri)
_TYPES = {"invoice": "380", "credit_note": "381"}
_PIECE = "C62"
_TRANSFER, _SEPA, _CARD = "30", "58", "48"


class NoElectronicInvoice(DocumentInvalid):
    """EN 16931 has no form for it."""

    code = "no_electronic_invoice"
    title = "There is no electronic form of this document"


def find_obstacle(document: InvoiceDocument) -> str | None:
    """Why EN 16931 cannot carry the document, or None."""
    if document.number is None:
        return "A draft has no number yet: finalize it."
    if minor_digits(document.currency) > 2:
        return f"EN 16931 knows two decimals, and {document.currency} has three."
    for party, role in ((document.seller, "seller"), (document.buyer, "customer")):
        if party.country is None:
            return f"The {role}'s address has no country: add it before the next one is issued."
    seller = document.seller
    if not (seller.tax_id or seller.registration or seller.tax_number):
        return "The seller has neither a tax number nor a register entry: add one to the settings of invoices."
    if _is_outside(document) and any(tax.category != "O" for tax in document.taxes):
        return "EN 16931 keeps what is outside the scope of the tax on an invoice by itself, and here is more."
    if _is_outside(document) and not (seller.registration or seller.tax_number):
        return "What is outside the scope of the tax bears no VAT number: add a tax number or register entry."
    if any(tax.category == "AE" for tax in document.taxes) and not (
        document.buyer.tax_id or document.buyer.registration
    ):
        return "Reverse charge needs the customer's VAT number."
    return None


def render_xml(document: InvoiceDocument) -> bytes:
    """The CII message. Raises DocumentInvalid for sums that do not match, NoElectronicInvoice for what has no form."""
    check(document)
    obstacle = find_obstacle(document)
    if obstacle is not None:
        raise NoElectronicInvoice(obstacle)
    root = Element(_name("rsm:CrossIndustryInvoice"))
    context = _in(_in(root, "rsm:ExchangedDocumentContext"), "ram:GuidelineSpecifiedDocumentContextParameter")
    _text(context, "ram:ID", GUIDELINE)
    head = _in(root, "rsm:ExchangedDocument")
    _text(head, "ram:ID", document.number)
    _text(head, "ram:TypeCode", _TYPES[document.kind])
    _day(_in(head, "ram:IssueDateTime"), document.issued_on)
    for note in document.notes:
        _text(_in(head, "ram:IncludedNote"), "ram:Content", note)
    trade = _in(root, "rsm:SupplyChainTradeTransaction")
    for number, line in enumerate(document.lines, 1):
        _line(trade, document.currency, number, line)
    _agreement(trade, document)
    delivery = _in(trade, "ram:ApplicableHeaderTradeDelivery")
    if any(tax.category == "K" for tax in document.taxes):
        _address(_in(delivery, "ram:ShipToTradeParty"), document.buyer)
    if document.period_end is None:
        event = _in(delivery, "ram:ActualDeliverySupplyChainEvent")
        _day(_in(event, "ram:OccurrenceDateTime"), document.issued_on)
    _settlement(trade, document)
    return tostring(root, encoding="UTF-8", xml_declaration=True)


def _line(trade: Element, currency: str, number: int, line: Line) -> None:
    item = _in(trade, "ram:IncludedSupplyChainTradeLineItem")
    _text(_in(item, "ram:AssociatedDocumentLineDocument"), "ram:LineID", str(number))
    product = _in(item, "ram:SpecifiedTradeProduct")
    _text(product, "ram:Name", line.description)
    if line.details:
        _text(product, "ram:Description", "\n".join(line.details))
    price, base, quantity = _priced(line, currency)
    net = _in(_in(item, "ram:SpecifiedLineTradeAgreement"), "ram:NetPriceProductTradePrice")
    _text(net, "ram:ChargeAmount", format_decimal(price))
    if base is not None:
        _text(net, "ram:BasisQuantity", format_decimal(base), unitCode=_PIECE)
    billed = _in(item, "ram:SpecifiedLineTradeDelivery")
    _text(billed, "ram:BilledQuantity", format_decimal(quantity), unitCode=_PIECE)
    settlement = _in(item, "ram:SpecifiedLineTradeSettlement")
    tax = _in(settlement, "ram:ApplicableTradeTax")
    _text(tax, "ram:TypeCode", "VAT")
    _text(tax, "ram:CategoryCode", line.tax_category)
    if line.tax_category != "O":
        _text(tax, "ram:RateApplicablePercent", format_decimal(line.tax_percent))
    _period(settlement, line.period_start, line.period_end)
    for discount in line.discounts:
        if discount.amount_minor:
            allowance = _in(settlement, "ram:SpecifiedTradeAllowanceCharge")
            indicator = _in(allowance, "ram:ChargeIndicator")
            _text(indicator, "udt:Indicator", "false" if discount.amount_minor > 0 else "true")
            _text(allowance, "ram:ActualAmount", _amount(abs(discount.amount_minor), currency))
            _text(allowance, "ram:Reason", discount.name)
    total = _in(settlement, "ram:SpecifiedTradeSettlementLineMonetarySummation")
    _text(total, "ram:LineTotalAmount", _amount(line.amount_minor, currency))


def _priced(line: Line, currency: str) -> tuple[Decimal, Decimal | None, Decimal]:
    """Price, what quantity it is for (None: one), and the quantity; a price is never negative, a quantity may be."""
    gross = minor_to_units(line.gross_minor, currency)
    quantity, price = line.quantity, line.unit_price
    if price is not None and round_to_minor(price * quantity, currency) == line.gross_minor:
        return abs(price), None, quantity if price >= 0 else -quantity
    if not quantity:
        return abs(gross), None, Decimal(1 if gross >= 0 else -1)
    signed = abs(quantity) if gross >= 0 else -abs(quantity)
    return abs(gross), (abs(quantity) if abs(quantity) != 1 else None), signed


def _agreement(trade: Element, document: InvoiceDocument) -> None:
    agreement = _in(trade, "ram:ApplicableHeaderTradeAgreement")
    if document.buyer.reference:
        _text(agreement, "ram:BuyerReference", document.buyer.reference)
    outside = _is_outside(document)
    _party(_in(agreement, "ram:SellerTradeParty"), document.seller, is_seller=True, outside=outside)
    _party(_in(agreement, "ram:BuyerTradeParty"), document.buyer, is_seller=False, outside=outside)
    if document.order_reference:
        order = _in(agreement, "ram:BuyerOrderReferencedDocument")
        _text(order, "ram:IssuerAssignedID", document.order_reference)


def _party(element: Element, party: Party, *, is_seller: bool, outside: bool) -> None:
    if is_seller and not party.registration and (outside or not party.tax_id):
        # Without a register entry and a VAT number the seller is identified by its tax number (BR-CO-26).
        _text(element, "ram:ID", party.tax_number)
    _text(element, "ram:Name", party.name)
    if party.registration:
        _text(_in(element, "ram:SpecifiedLegalOrganization"), "ram:ID", party.registration)
    if is_seller and (party.phone or party.email):
        contact = _in(element, "ram:DefinedTradeContact")
        _text(contact, "ram:PersonName", party.name)
        if party.phone:
            _text(_in(contact, "ram:TelephoneUniversalCommunication"), "ram:CompleteNumber", party.phone)
        if party.email:
            _text(_in(contact, "ram:EmailURIUniversalCommunication"), "ram:URIID", party.email)
    _address(element, party)
    if party.email:
        _text(_in(element, "ram:URIUniversalCommunication"), "ram:URIID", party.email, schemeID="EM")
    if is_seller and party.tax_number:
        _text(_in(element, "ram:SpecifiedTaxRegistration"), "ram:ID", party.tax_number, schemeID="FC")
    # What is outside the scope of the tax must not bear a VAT number (BR-O-02).
    if party.tax_id and not outside:
        _text(_in(element, "ram:SpecifiedTaxRegistration"), "ram:ID", party.tax_id, schemeID="VA")


def _address(element: Element, party: Party) -> None:
    address = _in(element, "ram:PostalTradeAddress")
    for name, value in (
        ("PostcodeCode", party.postal_code),
        ("LineOne", party.line1),
        ("LineTwo", party.line2),
        ("CityName", party.city),
        ("CountryID", party.country),
        ("CountrySubDivisionName", party.region),
    ):
        if value:
            _text(address, f"ram:{name}", value)


def _settlement(trade: Element, document: InvoiceDocument) -> None:
    currency, totals = document.currency, document.totals
    settlement = _in(trade, "ram:ApplicableHeaderTradeSettlement")
    _text(settlement, "ram:PaymentReference", document.number)
    _text(settlement, "ram:InvoiceCurrencyCode", currency)
    if document.is_charged:
        _text(_in(settlement, "ram:SpecifiedTradeSettlementPaymentMeans"), "ram:TypeCode", _CARD)
    elif document.bank:
        means = _in(settlement, "ram:SpecifiedTradeSettlementPaymentMeans")
        _text(means, "ram:TypeCode", _SEPA if currency == "EUR" else _TRANSFER)
        _text(_in(means, "ram:PayeePartyCreditorFinancialAccount"), "ram:IBANID", document.bank.iban)
        if document.bank.bic:
            bank = _in(means, "ram:PayeeSpecifiedCreditorFinancialInstitution")
            _text(bank, "ram:BICID", document.bank.bic)
    for tax in document.taxes:
        _tax(settlement, tax, currency)
    _period(settlement, document.period_start, document.period_end)
    terms = _in(settlement, "ram:SpecifiedTradePaymentTerms")
    if document.due_on is not None:
        _day(_in(terms, "ram:DueDateDateTime"), document.due_on)
    else:
        _text(terms, "ram:Description", "Due at once" if totals.due_minor > 0 else "Nothing is due")
    sums = _in(settlement, "ram:SpecifiedTradeSettlementHeaderMonetarySummation")
    _text(sums, "ram:LineTotalAmount", _amount(totals.net_minor, currency))
    _text(sums, "ram:TaxBasisTotalAmount", _amount(totals.net_minor, currency))
    _text(sums, "ram:TaxTotalAmount", _amount(totals.tax_minor, currency), currencyID=currency)
    _text(sums, "ram:GrandTotalAmount", _amount(totals.total_minor, currency))
    prepaid = totals.credits_minor + totals.paid_minor
    if prepaid:
        _text(sums, "ram:TotalPrepaidAmount", _amount(prepaid, currency))
    _text(sums, "ram:DuePayableAmount", _amount(totals.due_minor, currency))
    if document.corrects_number:
        former = _in(settlement, "ram:InvoiceReferencedDocument")
        _text(former, "ram:IssuerAssignedID", document.corrects_number)
        if document.corrects_issued_on:
            at = _in(_in(former, "ram:FormattedIssueDateTime"), "qdt:DateTimeString")
            at.text, _ = f"{document.corrects_issued_on:%Y%m%d}", at.set("format", "102")


def _tax(settlement: Element, tax: Tax, currency: str) -> None:
    element = _in(settlement, "ram:ApplicableTradeTax")
    _text(element, "ram:CalculatedAmount", _amount(tax.amount_minor, currency))
    _text(element, "ram:TypeCode", "VAT")
    if tax.category not in ("S", "Z") and tax.reason:
        _text(element, "ram:ExemptionReason", tax.reason)
    _text(element, "ram:BasisAmount", _amount(tax.basis_minor, currency))
    _text(element, "ram:CategoryCode", tax.category)
    if tax.category not in ("S", "Z") and tax.reason_code:
        _text(element, "ram:ExemptionReasonCode", tax.reason_code)
    if tax.category != "O":
        _text(element, "ram:RateApplicablePercent", format_decimal(tax.percent))


def _period(parent: Element, start: date | None, end: date | None) -> None:
    if start is None or end is None:
        return
    period = _in(parent, "ram:BillingSpecifiedPeriod")
    _day(_in(period, "ram:StartDateTime"), start)
    _day(_in(period, "ram:EndDateTime"), max(start, end - timedelta(days=1)))


def _is_outside(document: InvoiceDocument) -> bool:
    return any(tax.category == "O" for tax in document.taxes)


def _amount(amount_minor: int, currency: str) -> str:
    units = minor_to_units(amount_minor, currency)
    assert (Fraction(units) * 100).denominator == 1, "no more than two decimals come here"
    return f"{units:f}"


def _name(tag: str) -> str:
    prefix, _, local = tag.partition(":")
    return f"{{{_NAMESPACES[prefix]}}}{local}"


def _in(parent: Element, tag: str) -> Element:
    return SubElement(parent, _name(tag))


def _text(parent: Element, tag: str, text: str | None, **attributes: str) -> None:
    SubElement(parent, _name(tag), attributes).text = text


def _day(parent: Element, day: date) -> None:
    _text(parent, "udt:DateTimeString", f"{day:%Y%m%d}", format="102")
