"""/billing/reports: figures of a tenant's months, the rows they are made of, and both as CSV."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Response

from core.billing.reports import service
from core.billing.reports.entries import Entry, Figure
from core.billing.reports.months import read_month, read_months
from core.billing.reports.schemas import EntryAnswer, FigureAnswer, ReportAnswer
from core.billing.reports.service import REPORTS, Report
from core.billing.reports.tables import as_csv
from core.foundation.paging import Cursor, Limit, decode_cursor, encode_cursor
from core.foundation.schemas import Page
from core.identity.scope import Reading, Unit

router = APIRouter(prefix="/billing/reports", tags=["billing"])

MonthText = Annotated[str | None, Query(max_length=7, examples=["2026-01"], description="A month (UTC).")]
From = Annotated[str | None, Query(alias="from", max_length=7, description="The first month; the last alone without.")]
To = Annotated[str | None, Query(alias="to", max_length=7, description="The last month; the tenant's current without.")]
Currency = Annotated[str | None, Query(max_length=3, description="Only of one currency.")]
Name = Annotated[str | None, Query(max_length=40, description="Only of one figure.")]
Key = Annotated[str | None, Query(max_length=100, description="Only of one key of it.")]
CSV = {200: {"content": {"text/csv": {"schema": {"type": "string"}}}, "description": "Comma-separated, UTF-8."}}


def _figures_of(report: Report) -> Callable[..., Awaitable[ReportAnswer]]:
    async def read(scope: Reading, first: From = None, last: To = None, currency: Currency = None) -> ReportAnswer:
        async with scope.reading() as unit:
            months = read_months(first, last, now=unit.now)
            found = await service.figures(unit.session, unit.tenant_id, report, months=months, now=unit.now)
        return ReportAnswer(
            report=report.name,
            as_of=unit.now,
            months=[str(month) for month in months],
            data=[_figure(one) for one in found if currency in (None, one.currency)],
        )

    return read


def _rows_of(report: Report) -> Callable[..., Awaitable[Page[EntryAnswer]]]:
    async def read(
        scope: Reading,
        month: MonthText = None,
        currency: Currency = None,
        figure: Name = None,
        key: Key = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Page[EntryAnswer]:
        at = decode_cursor(cursor, int)
        begin = max(0, at[0]) if at else 0
        async with scope.reading() as unit:
            found = await _entries(
                unit, report, month=month, currency=currency, figure=figure, key=key, begin=begin, most=limit + 1
            )
        following = encode_cursor(begin + limit) if len(found) > limit else None
        return Page(data=[_entry(one) for one in found[:limit]], next_cursor=following)

    return read


async def _entries(
    unit: Unit,
    report: Report,
    *,
    month: str | None,
    currency: str | None,
    figure: str | None,
    key: str | None,
    begin: int = 0,
    most: int | None = None,
) -> Sequence[Entry]:
    return await service.entries(
        unit.session,
        unit.tenant_id,
        report,
        month=read_month(month, "month", now=unit.now),
        now=unit.now,
        currency=currency,
        figure=figure,
        key=key,
        begin=begin,
        most=most,
    )


def _csv_of(report: Report) -> Callable[..., Awaitable[Response]]:
    async def read(
        scope: Reading,
        first: From = None,
        last: To = None,
        month: MonthText = None,
        currency: Currency = None,
        figure: Name = None,
        key: Key = None,
    ) -> Response:
        async with scope.reading() as unit:
            rows: list[FigureAnswer] | list[EntryAnswer]
            if month is None:
                months = read_months(first, last, now=unit.now)
                found = await service.figures(unit.session, unit.tenant_id, report, months=months, now=unit.now)
                rows = [
                    _figure(one)
                    for one in found
                    if currency in (None, one.currency) and figure in (None, one.figure) and key in (None, one.key)
                ]
                written = as_csv(FigureAnswer, rows)
            else:
                entries = await _entries(unit, report, month=month, currency=currency, figure=figure, key=key)
                written = as_csv(EntryAnswer, [_entry(one) for one in entries])
        name = f'attachment; filename="{report.name}.csv"'
        return Response(written, media_type="text/csv", headers={"content-disposition": name})

    return read


ABOUT = {
    "mrr": "Monthly recurring revenue: before and after each month, and what moved it.",
    "revenue": "What was invoiced, recognized and deferred, net of tax; and what calls used of credits.",
    "ageing": "What customers owe at the end of each month, by how long it is due.",
    "credits": "What wallets hold at the end of each month, and what moved it.",
    "usage": "What meters counted in each month, and what was billed of them.",
    "tax": "Tax of the documents of each month, by category and rate.",
}

for _name, _report in REPORTS.items():
    router.add_api_route(
        f"/{_name}",
        _figures_of(_report),
        methods=["GET"],
        operation_id=f"report_{_name}",
        summary=f"Report: {_name}",
        description=f"{ABOUT[_name]} Figures: {', '.join(_report.figures)}.",
        response_model=ReportAnswer,
    )
    router.add_api_route(
        f"/{_name}/rows",
        _rows_of(_report),
        methods=["GET"],
        operation_id=f"list_rows_of_{_name}",
        summary=f"Rows of the report: {_name}",
        description="The rows that a month's figures are the sums of.",
        response_model=Page[EntryAnswer],
    )
    router.add_api_route(
        f"/{_name}/csv",
        _csv_of(_report),
        methods=["GET"],
        operation_id=f"export_{_name}",
        summary=f"Report as CSV: {_name}",
        description="The figures of `from` to `to`, or with `month` the rows of that month.",
        response_class=Response,
        responses=CSV,  # pyright: ignore[reportArgumentType]  (keys are numbers or words; a dict is invariant)
    )


def _figure(one: Figure) -> FigureAnswer:
    return FigureAnswer(
        month=str(one.month),
        currency=one.currency,
        figure=one.figure,
        key=one.key,
        amount=one.amount_micro,
        quantity=one.quantity,
        entries=one.entries,
        customers=one.customers,
    )


def _entry(one: Entry) -> EntryAnswer:
    return EntryAnswer(
        month=str(one.month),
        currency=one.currency,
        figure=one.figure,
        key=one.key,
        amount=one.amount_micro,
        quantity=one.quantity,
        at=one.at,
        what=one.what,
        customer_id=one.customer_id,
        subscription_id=one.subscription_id,
        invoice_id=one.invoice_id,
        number=one.number,
        line_id=one.line_id,
        credit_note_id=one.credit_note_id,
    )
