"""Imported bills beside the estimates of the stored stacks."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from core.foundation.database import Database
from core.foundation.errors import InvalidInput, NotFound
from core.foundation.ids import new_id
from core.operations.costs import repository, service
from core.operations.costs.service import Stored
from infra.costs.actual import Actual, compare_month, names_of
from infra.costs.errors import CostError, UnusableExport
from infra.costs.exports import ActualLine, Charge
from infra.costs.usage import PROFILES


class UnusableBill(InvalidInput):
    """The charges cannot be set beside the stack's estimate."""

    code = "unusable_bill"
    title = "The bill cannot be set beside the estimate"


class MonthNotImported(NotFound):
    """No bill of that month."""

    code = "month_not_imported"
    title = "No bill of that month was imported"

    def __init__(self, stack: str, month: str) -> None:
        super().__init__(
            f"No bill of {month} is kept for {stack}: "
            f"cloudbill cost actual {stack} --month {month} --export FILE --store imports one."
        )


@dataclass(frozen=True)
class Imported:
    """A month's newest import, compared; `months` are all that there are."""

    months: list[date]
    source: str
    imported_at: datetime
    compared: Actual


def month_of(text: str) -> date:
    """The first of the month."""
    return date.fromisoformat(f"{text}-01")


def merged(lines: Iterable[ActualLine], *, month: date) -> list[dict[str, Any]]:
    """A month's charges as the API takes them: those of one kind in one, each charge counted once."""
    sums: dict[tuple[str, ...], list[ActualLine]] = {}
    known: set[str] = set()
    for line in lines:
        if (line.start.year, line.start.month) != (month.year, month.month) or (line.identity in known):
            continue
        if line.identity:
            known.add(line.identity)
        kind = (line.cloud, line.service, line.usage, line.resource, line.currency, line.charge, line.account)
        sums.setdefault(kind, []).append(line)
    return [
        {
            "cloud": cloud[:500],
            "service": service_name[:500],
            "usage": usage[:500],
            "resource": resource[:500],
            "cost": format(sum((one.cost for one in found), Decimal(0)), "f"),
            "currency": currency,
            "start": min(one.start for one in found).isoformat(),
            "end": max(one.end for one in found).isoformat(),
            "charge": str(charge),
            "account": account[:500],
        }
        for (cloud, service_name, usage, resource, currency, charge, account), found in sums.items()
    ]


async def store(
    database: Database,
    stack: str,
    *,
    month: date,
    source: str,
    lines: Sequence[Mapping[str, Any]],
    actor: UUID,
    now: datetime,
) -> tuple[UUID, Actual]:
    """Keeps a bill that can be compared, and the comparison. Raises StackNotStored, NotPriceable, UnusableBill."""
    async with database.reading() as session:
        (stored,) = await service.find_graphs(session, [stack])
    compared = await _compare(stored, lines, month=month, today=now.date())
    actual_id = new_id()
    async with database.nobody() as session:
        await repository.store_actual(
            session,
            {
                "id": str(actual_id),
                "stack": stack,
                "month": month.isoformat(),
                "source": source,
                "currency": compared.currency,
                "total": str(compared.billed),
                "lines": list(lines),
                "imported_at": now.isoformat(),
                "imported_by": str(actor),
            },
        )
    return actual_id, compared


async def find(database: Database, stack: str, month: date | None, *, now: datetime) -> Imported | None:
    """A month's, or the newest's; None where nothing was ever imported. Raises MonthNotImported, StackNotStored."""
    async with database.reading() as session:
        (stored,) = await service.find_graphs(session, [stack])
        months = await repository.list_months(session, stack)
        if month is None and not months:
            return None
        wanted = month or months[0]
        row = await repository.find_actual(session, stack, wanted)
    if row is None:
        raise MonthNotImported(stack, f"{wanted:%Y-%m}")
    compared = await _compare(stored, row.lines, month=wanted, today=now.date())
    return Imported(months, row.source, row.imported_at, compared)


async def _compare(stored: Stored, lines: Sequence[Mapping[str, Any]], *, month: date, today: date) -> Actual:
    priced = await service.price(stored, PROFILES["base"], today=today)
    try:
        return compare_month(
            priced.estimate,
            [_line(number, line) for number, line in enumerate(lines, start=1)],
            month=month,
            names=names_of(stored.graph),
        )
    except UnusableExport as error:
        raise UnusableBill("lines", str(error)) from None
    except CostError as error:
        raise service.NotPriceable(str(error)) from None


def _line(number: int, line: Mapping[str, Any]) -> ActualLine:
    return ActualLine(
        row=number,
        cloud=line["cloud"],
        service=line["service"],
        usage=line["usage"],
        resource=line["resource"],
        cost=Decimal(line["cost"]),
        currency=line["currency"],
        start=datetime.fromisoformat(line["start"]),
        end=datetime.fromisoformat(line["end"]),
        charge=Charge(line["charge"]),
        account=line["account"],
    )
