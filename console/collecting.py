"""How invoices are paid and chased: asked of the API and spelled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from console import customers
from console.client import PAGE_ROWS, ApiRefused, Client
from console.figures import Moment, minor_money, moment

Json = Mapping[str, Any]

SETTINGS = "/billing/settings/dunning"
ADDRESS = "/billing/collections"
COLUMNS = {
    "Invoice": "invoiceId",
    "Customer": "customerId",
    "State": "status",
    "Tries": "tries",
    "Notices": "notices",
    "Last refusal": "lastCode",
    "Failed first": "firstFailedAt",
    "Next": "nextAt",
    "Outcome": "outcome",
}
MEANS = {"intent": "Card", "by_hand": "By hand"}
REFUSED = ("failed", "canceled")
GIVEN_BACK = (
    "A credit note or a dispute gave money of this invoice back, so that less is left than this record says. "
    "It stays as it is; what is too much goes back by a credit note."
)


@dataclass
class Terms:
    """When a failed charge is tried again, and what happens in the end."""

    retry_days: str = ""
    final_days: str = ""
    final_action: str = ""
    overdue_action: str = ""


@dataclass
class Collecting:
    """An invoice that is being collected."""

    invoice_id: str = ""
    customer: str = ""
    status: str = ""
    tries: int = 0
    notices: int = 0
    refusal: str = ""
    means: str = ""
    outcome: str = ""
    failed: Moment = field(default_factory=Moment)
    following: Moment = field(default_factory=Moment)


@dataclass
class CollectingPage:
    """One page of them."""

    rows: list[Collecting] = field(default_factory=list)
    next_cursor: str = ""


@dataclass
class Paying:
    """Money for an invoice, or a try to get it. `deed` is what may be done about it, to `subject`: or nothing."""

    deed: str = ""
    subject: str = ""
    means: str = ""
    status: str = ""
    why: str = ""
    amount: str = ""
    at: Moment = field(default_factory=Moment)


async def terms(api: Client) -> Terms:
    """The schedule in force."""
    body = await api.get_own(SETTINGS)
    days = ", ".join(str(day) for day in body["retryDays"])
    return Terms(days, str(body["finalDays"]), body["finalAction"], body["overdueAction"])


async def put_terms(api: Client, form: Mapping[str, str]) -> None:
    """Put what the form says; what is no number is the API's to name."""
    days = str(form.get("retryDays") or "").replace(",", " ").split()
    wanted = {
        "retryDays": [_number(day) for day in days],
        "finalDays": _number(str(form.get("finalDays") or "").strip()),
        "finalAction": form.get("finalAction", ""),
        "overdueAction": form.get("overdueAction", ""),
    }
    await api.change("PUT", SETTINGS, json=wanted)


async def collections(api: Client, *, status: str, cursor: str, now: datetime) -> CollectingPage:
    """One page, newest first."""
    body = await api.get_own(ADDRESS, status=status, cursor=cursor, limit=PAGE_ROWS)
    known = await customers.names(api, body["data"])
    return CollectingPage([_collecting(one, known, now) for one in body["data"]], body["nextCursor"] or "")


async def payments_of(api: Client, invoice_id: str, *, now: datetime) -> list[Paying]:
    """How an invoice was paid."""
    body = await api.get_own(f"/billing/invoices/{invoice_id}/payments")
    return paid(body["data"], now=now)


def paid(payments: Iterable[Json], *, now: datetime) -> list[Paying]:
    """Payments, oldest first, as rows: each try and each refund is one of its own, the newest first."""
    found: list[Paying] = []
    for one in payments:
        amount = minor_money(one["amountMinor"], one["currency"])
        means = MEANS.get(one["means"], one["means"])
        tries = one["attempts"]
        if not tries:
            found.append(_without_tries(one, means, amount, now))
        found += [
            Paying(
                means=f"{means}, try {each['number']}",
                status=str(each["status"]).replace("_", " "),
                why=str(each["failureCode"] or "").replace("_", " "),
                amount=amount,
                at=moment(each["concludedAt"] or each["createdAt"], now),
            )
            for each in tries
        ]
        found += [
            Paying(
                deed="" if _is_over(each, one["refunds"][place:]) else "retry",
                subject=each["refundId"],
                means="Refund",
                status=each["status"],
                why=_why(each, one["currency"]),
                amount=minor_money(-each["amountMinor"], one["currency"]),
            )
            for place, each in enumerate(one["refunds"], 1)
        ]
    return found[::-1]


def _why(refund: Json, currency: str) -> str:
    why = str(refund["failureCode"] or "").replace("_", " ")
    if not refund["settledMinor"]:
        return why
    return f"{why}; {minor_money(refund['settledMinor'], currency)} was given back otherwise"


def _without_tries(one: Json, means: str, amount: str, now: datetime) -> Paying:
    by_hand = one["means"] == "by_hand"
    return Paying(
        deed="take-back" if by_hand and one["status"] == "succeeded" else "",
        subject=one["paymentId"],
        means=means,
        status="taken back" if by_hand and one["status"] == "canceled" else str(one["status"]).replace("_", " "),
        why=one["reference"] or "",
        amount=amount,
        at=moment(one["receivedAt"], now),
    )


def _is_over(refund: Json, later: Iterable[Json]) -> bool:
    """Whether nothing is to be tried again here: it is under way or done, by itself, by another try or otherwise."""
    if refund["status"] not in REFUSED or refund["settledMinor"] == refund["amountMinor"]:
        return True
    same = ("origin", "creditNoteId")
    return refund["origin"] == "reported" or any(
        one["status"] not in REFUSED and all(one[each] == refund[each] for each in same) for one in later
    )


async def take_back(api: Client, invoice_id: str, payment_id: str) -> None:
    """Undo a record by hand that was a mistake. Raises `ApiRefused`, in words for whoever looks at the invoice."""
    try:
        await api.change("POST", f"/billing/invoices/{invoice_id}/payments/{payment_id}/take-back")
    except ApiRefused as refused:
        if refused.code != "payment_given_back":
            raise
        raise ApiRefused(refused.title, GIVEN_BACK, code=refused.code, status=refused.status) from refused


async def retry(api: Client, invoice_id: str, refund_id: str) -> None:
    """Have a refused refund tried again, as one of its own."""
    await api.change("POST", f"/billing/invoices/{invoice_id}/refunds/{refund_id}/retry")


async def charge(api: Client, invoice_id: str) -> str:
    """Charge what is open by the default card; how that went."""
    body = await api.change("POST", f"/billing/invoices/{invoice_id}/pay", json={})
    return str(body["failureCode"] or body["status"]).replace("_", " ")


async def record(api: Client, invoice_id: str, *, amount_minor: Any, reference: str) -> None:
    """Note money that came past the provider; the same reference is the same money."""
    wanted = {"amountMinor": amount_minor, "reference": reference}
    await api.change("POST", f"/billing/invoices/{invoice_id}/payments", json=wanted)


async def link(api: Client, invoice_id: str) -> str:
    """An address by which the customer pays without signing in."""
    return str((await api.change("POST", f"/billing/invoices/{invoice_id}/payment-link"))["url"])


def _number(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdigit() else text


def _collecting(body: Json, known: Mapping[str, str], now: datetime) -> Collecting:
    return Collecting(
        invoice_id=body["invoiceId"],
        customer=known.get(body["customerId"], body["customerId"]),
        status=body["status"],
        tries=body["tries"],
        notices=body["notices"],
        refusal=str(body["lastCode"] or "").replace("_", " "),
        means="Card" if body["charges"] else "By invoice",
        outcome=str(body["outcome"] or "").replace("_", " "),
        failed=moment(body["firstFailedAt"], now),
        following=moment(body["nextAt"], now),
    )
