"""Money in and out of a tenant's purchases: asked of the API and spelled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from console import customers
from console.amounts import in_minor
from console.client import PAGE_ROWS, Client
from console.figures import Moment, minor_money, moment, money

Json = Mapping[str, Any]

ADDRESS = "/api/purchases"
COLUMNS = {
    "Purchase": "purchaseId",
    "Customer": "customerId",
    "Package": "packageName",
    "State": "status",
    "Currency": "currency",
    "Amount": "amountMinor",
    "Refunded": "refundedMinor",
    "Paid by": "paidBy",
    "Why it failed": "failureCode",
    "Begun": "createdAt",
    "Paid": "paidAt",
}
OF_INVOICES = "/billing/payments"
INVOICE_COLUMNS = {
    "Payment": "paymentId",
    "Invoice": "invoiceNumber",
    "Customer": "customerId",
    "By": "means",
    "State": "status",
    "Currency": "currency",
    "Amount": "amountMinor",
    "Refunded": "refundedMinor",
    "Why it failed": "failureCode",
    "Reference": "reference",
    "When": "at",
}
MEANS = {"intent": "Card", "checkout": "Payment page", "by_hand": "By hand"}


@dataclass
class PaymentRow:
    """A payment in a list."""

    purchase_id: str = ""
    customer: str = ""
    what: str = ""
    status: str = ""
    failure: str = ""
    means: str = ""
    amount: str = ""
    refunded: str = ""
    at: Moment = field(default_factory=Moment)


@dataclass
class PaymentPage:
    """One page of payments."""

    rows: list[PaymentRow] = field(default_factory=list)
    next_cursor: str = ""


@dataclass
class InvoicePayment:
    """Money for an invoice in a list."""

    invoice_id: str = ""
    number: str = ""
    customer: str = ""
    means: str = ""
    status: str = ""
    why: str = ""
    amount: str = ""
    refunded: str = ""
    at: Moment = field(default_factory=Moment)


@dataclass
class InvoicePaymentPage:
    """One page of them."""

    rows: list[InvoicePayment] = field(default_factory=list)
    next_cursor: str = ""


@dataclass
class Return:
    """Money that went back, or is claimed back."""

    what: str = ""
    status: str = ""
    amount: str = ""
    why: str = ""
    at: Moment = field(default_factory=Moment)


@dataclass
class PaymentDetail:
    """A payment with what went back of it; `left` is what may still be given back."""

    row: PaymentRow = field(default_factory=PaymentRow)
    credits: str = ""
    left: str = ""
    currency: str = ""
    returns: list[Return] = field(default_factory=list)


async def payments(
    api: Client, *, status: str = "", customer_id: str = "", cursor: str = "", now: datetime
) -> PaymentPage:
    """One page of what was paid for credits, newest first."""
    asked = {"status": status, "customerId": customer_id, "cursor": cursor, "limit": PAGE_ROWS}
    body = await api.get_own(ADDRESS, **asked)
    known = await customers.names(api, body["data"])
    return PaymentPage([_row(one, known, now) for one in body["data"]], body["nextCursor"] or "")


async def payment(api: Client, purchase_id: str, *, now: datetime) -> PaymentDetail:
    """One of them."""
    body = await api.get_own(f"{ADDRESS}/{purchase_id}")
    currency = body["currency"]
    left = body["amountMinor"] - body["refundedMinor"]
    return PaymentDetail(
        row=_row(body, await customers.names(api, [body]), now),
        credits=money(body["credits"], currency).brief,
        left=minor_money(left, currency) if left and body["status"] == "paid" else "",
        currency=currency,
        returns=[
            *(
                Return(
                    {"requested": "Refund", "reported": "Refund at the provider", "duplicate": "Paid twice"}[
                        one["origin"]
                    ],
                    one["status"],
                    minor_money(one["amountMinor"], currency),
                    one["reason"] or one["failureCode"] or "",
                    moment(one["createdAt"], now),
                )
                for one in body["refunds"]
            ),
            *(
                Return(
                    "Dispute",
                    one["status"],
                    minor_money(one["amountMinor"], currency),
                    "",
                    moment(one["createdAt"], now),
                )
                for one in body["disputes"]
            ),
        ],
    )


async def of_invoices(api: Client, *, cursor: str = "", now: datetime, **asked: str) -> InvoicePaymentPage:
    """One page of what was paid for invoices, newest first; `asked` are the API's filters."""
    body = await api.get_own(OF_INVOICES, **asked, cursor=cursor, limit=PAGE_ROWS)
    known = await customers.names(api, body["data"])
    return InvoicePaymentPage([_of_invoice(one, known, now) for one in body["data"]], body["nextCursor"] or "")


async def refund(api: Client, purchase_id: str, *, amount: str, reason: str, currency: str, key: str) -> None:
    """Give money back: all that is left where no amount is said."""
    wanted: dict[str, Any] = {"reason": reason} if reason else {}
    if amount:
        wanted["amountMinor"] = in_minor(amount, currency)
    await api.change("POST", f"{ADDRESS}/{purchase_id}/refunds", json=wanted, headers={"idempotency-key": key})


def _row(body: Json, known: Mapping[str, str], now: datetime) -> PaymentRow:
    currency = body["currency"]
    return PaymentRow(
        purchase_id=body["purchaseId"],
        customer=known.get(body["customerId"], body["customerId"]),
        what=body["packageName"],
        status=body["status"],
        failure=str(body["failureCode"] or "").replace("_", " "),
        means=MEANS.get(body["paidBy"] or "", ""),
        amount=minor_money(body["amountMinor"], currency),
        refunded=minor_money(body["refundedMinor"], currency) if body["refundedMinor"] else "",
        at=moment(body["paidAt"] or body["createdAt"], now),
    )


def _of_invoice(body: Json, known: Mapping[str, str], now: datetime) -> InvoicePayment:
    currency = body["currency"]
    return InvoicePayment(
        invoice_id=body["invoiceId"],
        number=body["invoiceNumber"] or "Draft",
        customer=known.get(body["customerId"], body["customerId"]),
        means=MEANS.get(body["means"], ""),
        status=body["status"],
        why=body["reference"] or str(body["failureCode"] or "").replace("_", " "),
        amount=minor_money(body["amountMinor"], currency),
        refunded=minor_money(body["refundedMinor"], currency) if body["refundedMinor"] else "",
        at=moment(body["at"], now),
    )
