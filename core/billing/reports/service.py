"""The reports: what each is called, its figures in their order, and where its entries come from."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.reports import invoiced, mrr, prepaid
from core.billing.reports.entries import Entry, Figure, Sums
from core.billing.reports.months import Month

Entries = Callable[[AsyncSession, UUID, Sequence[Month], datetime], AsyncGenerator[Entry]]


@dataclass(frozen=True, slots=True)
class Report:
    """A report by name. `months` that follow each other, `now` of the tenant's clock; docs/reports.md defines each."""

    name: str
    figures: tuple[str, ...]
    entries: Entries
    sums: Callable[[AsyncSession, UUID, Sequence[Month], datetime], Awaitable[Sums]] | None = None
    """The sums of the entries, where there is a shorter way to them."""


REPORTS: Mapping[str, Report] = {
    report.name: report
    for report in (
        Report("mrr", mrr.FIGURES, mrr.entries, mrr.sums),
        Report("revenue", invoiced.REVENUE, invoiced.revenue),
        Report("ageing", invoiced.AGEING, invoiced.ageing),
        Report("credits", prepaid.FIGURES, prepaid.entries),
        Report("usage", invoiced.USAGE, invoiced.usage),
        Report("tax", invoiced.TAX, invoiced.tax),
    )
}


async def figures(
    session: AsyncSession, tenant_id: UUID, report: Report, *, months: Sequence[Month], now: datetime
) -> list[Figure]:
    """The report's figures, month after month."""
    if report.sums is not None:
        return (await report.sums(session, tenant_id, months, now)).figures(report.figures)
    sums = Sums()
    async with aclosing(report.entries(session, tenant_id, months, now)) as found:
        async for entry in found:
            sums.add(entry)
    return sums.figures(report.figures)


async def entries(
    session: AsyncSession,
    tenant_id: UUID,
    report: Report,
    *,
    month: Month,
    now: datetime,
    currency: str | None = None,
    figure: str | None = None,
    key: str | None = None,
    begin: int = 0,
    most: int | None = None,
) -> list[Entry]:
    """The rows that a month's figures are made of; narrowed, those of one. From place `begin` on, at most so many."""
    chosen: list[Entry] = []
    place = 0
    async with aclosing(report.entries(session, tenant_id, [month], now)) as found:
        async for entry in found:
            if currency in (None, entry.currency) and figure in (None, entry.figure) and key in (None, entry.key):
                if most is not None and place >= begin + most:
                    break
                if place >= begin:
                    chosen.append(entry)
                place += 1
    return chosen
