"""What corrects final invoices, computed again: the trail of late usage, and every line of every credit note.

The trail's differences come from raw events and prices as known then, the notes' amounts from the trail, their tax from
the invoice's lines as they come out now. So an event, a price or a rate that was altered is named for them as well.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.invoices.bills import Line
from core.billing.invoices.late_usage.repository import list_items
from core.billing.subscriptions.computing import Reader
from core.foundation.money import round_to_whole

Name = Callable[[str | None, str, str], None]
"""Adds a difference: of which line, its cause, what it is."""


@dataclass(slots=True)
class Stated:
    """One final invoice: its lines as stored, and as they come out, by item; and where differences go."""

    invoice_id: UUID
    stored: Sequence[Row[Any]]
    fresh: Mapping[UUID | None, Line]
    name: Name


@dataclass(slots=True)
class _Taken:
    """What was taken of a line so far: by all notes, and of that before coupons by corrections of late usage."""

    net_minor: int = 0
    tax_minor: int = 0
    corrected_minor: int = 0


async def compare_corrections(session: AsyncSession, tenant_id: UUID, invoices: Sequence[Stated]) -> None:
    """Names what differs of the corrections and credit notes of these invoices."""
    where = {"tenant": tenant_id, "ids": [one.invoice_id for one in invoices]}
    trail: dict[UUID, list[Row[Any]]] = defaultdict(list)
    for row in await session.execute(_TRAIL, where):
        trail[row.invoice_id].append(row)
    notes: dict[UUID, list[Row[Any]]] = defaultdict(list)
    for row in await session.execute(_NOTES, where):
        notes[row.invoice_id].append(row)
    reader = Reader(session, None)
    for one in invoices:
        if trail[one.invoice_id]:
            await _compare_trail(session, reader, tenant_id, one, trail[one.invoice_id])
        if trail[one.invoice_id] or notes[one.invoice_id]:
            _compare_notes(one, notes[one.invoice_id], _credited(trail[one.invoice_id]))


async def _compare_trail(
    session: AsyncSession, reader: Reader, tenant_id: UUID, invoice: Stated, rows: Sequence[Row[Any]]
) -> None:
    items = {item.id: item for item in await list_items(session, tenant_id, {row.item_id for row in rows})}
    runs: dict[Any, int] = defaultdict(int)
    credited: dict[Any, int] = {}
    for row in rows:
        item = items[row.item_id]
        name = f"correction of {row.code} as of {row.as_of:%Y-%m-%d %H:%M:%S}"
        rated, inputs = await reader.difference(item, before=row.as_of_before, after=row.as_of)
        fresh, kept = orjson.loads(orjson.dumps(inputs)), row.inputs
        causes = list(causes_of(kept, fresh))
        for cause, key in causes:
            invoice.name(name, cause, f"{key} was {kept.get(key)} and is {fresh.get(key)}")
        if rated.amount_minor != row.amount_minor and not causes:
            invoice.name(name, "line", f"amount_minor is {row.amount_minor}, but comes to {rated.amount_minor}")
        run = (item.subscription_id, row.as_of)
        if row.correction_item_id is None:
            runs[run] += rated.amount_minor
        for entry in row.credited:
            credited[run] = credited.get(run, 0) + int(entry["amountMinor"])
    for run, given_minor in credited.items():
        # With other periods and their floors on other invoices the run is not all here; what is, is less or as much.
        if given_minor > max(0, -runs[run]) and all(row.elsewhere == 0 for row in rows):
            invoice.name(None, "line", f"corrections gave {given_minor} back, but come to {-runs[run]}")


def causes_of(kept: Mapping[str, Any], fresh: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What a correction follows from that is not as it was: (cause, which of its inputs)."""
    prices = [key for key in ("price", "prices") if fresh.get(key) != kept.get(key)]
    yield from (("price", key) for key in prices)
    for key in ("asOfBeforeUsage", "asOfUsage"):
        if fresh.get(key) != kept.get(key):
            if "chargedMinor" not in (fresh.get(key) or {}):
                yield "events", key
            elif not prices:
                # A floor follows from other lines: what is behind it is named there.
                yield "line", key


def _credited(trail: Sequence[Row[Any]]) -> dict[tuple[UUID, UUID], tuple[int, int]]:
    """By credit note and line what the trail says that was taken: before coupons, and before tax."""
    return {
        (UUID(entry["creditNoteId"]), UUID(entry["lineId"])): (int(entry["amountMinor"]), int(entry["netMinor"]))
        for row in trail
        for entry in row.credited
    }


def _compare_notes(
    invoice: Stated, rows: Sequence[Row[Any]], credited: Mapping[tuple[UUID, UUID], tuple[int, int]]
) -> None:
    lines = {line.id: line for line in invoice.stored}
    taken: dict[UUID, _Taken] = defaultdict(_Taken)
    sums: dict[str, list[int]] = {}
    for row in rows:
        stored = lines.get(row.invoice_line_id)
        code = stored.code if stored is not None else "a line that is gone"
        name = f"credit note {row.number} ({code})"
        fresh = invoice.fresh.get(stored.item_id) if stored is not None else None
        line = fresh or stored
        known = taken[row.invoice_line_id]
        if row.reason == "late_usage" and line is not None:
            said = credited.get((row.id, row.invoice_line_id))
            if said is None:
                invoice.name(name, "line", "follows from no correction")
            else:
                _compare_net(invoice, name, row, line, known, said)
        elif line is not None and abs(known.net_minor + row.net_minor) > abs(line.net_minor):
            invoice.name(name, "line", f"net_minor is {row.net_minor}, more than is left of the line")
        if line is not None:
            tax_minor = _tax(line, known.net_minor + row.net_minor) - known.tax_minor
            if tax_minor != row.tax_minor:
                rate = fresh is not None and stored is not None and fresh.tax_rate != stored.tax_rate
                cause = "tax_rate" if rate else "line"
                invoice.name(name, cause, f"tax_minor is {row.tax_minor}, but comes to {tax_minor}")
        known.net_minor += row.net_minor
        known.tax_minor += row.tax_minor
        own = sums.setdefault(row.number, [row.note_net, row.note_tax, 0, 0])
        own[2] += row.net_minor
        own[3] += row.tax_minor
    for number, (net, tax, of_lines, tax_of_lines) in sums.items():
        if (net, tax) != (of_lines, tax_of_lines):
            invoice.name(
                f"credit note {number}", "totals", f"is {net} and {tax} tax, its lines {of_lines} and {tax_of_lines}"
            )
    there = {(row.id, row.invoice_line_id) for row in rows}
    for note_id, line_id in credited:
        if (note_id, line_id) not in there:
            line = lines.get(line_id)
            invoice.name(f"credit note {note_id} ({line.code if line else line_id})", "line", "is missing")


def _compare_net(invoice: Stated, name: str, row: Row[Any], line: Any, known: _Taken, said: tuple[int, int]) -> None:
    """What late usage took of a line: the part of its price that coupons left, by the running sum."""
    amount_minor, net_minor = said
    part = Fraction(line.net_minor, line.amount_minor) if line.amount_minor else Fraction(1)
    before_minor = round_to_whole(known.corrected_minor * part)
    known.corrected_minor += amount_minor
    wanted = max(0, min(round_to_whole(known.corrected_minor * part) - before_minor, line.net_minor - known.net_minor))
    if not wanted == net_minor == row.net_minor:
        invoice.name(name, "line", f"net_minor is {row.net_minor} ({net_minor} in the trail), but comes to {wanted}")


def _tax(line: Any, net_minor: int) -> int:
    return round_to_whole(line.tax_minor * Fraction(net_minor, line.net_minor)) if line.net_minor else line.tax_minor


_TRAIL = text("""
SELECT c.id, c.invoice_id, c.item_id, c.as_of_before, c.as_of, c.amount_minor, c.inputs, c.credited, i.code,
       c.correction_item_id,
       (SELECT count(*) FROM late_corrections o JOIN invoice_items n ON n.tenant_id = o.tenant_id AND n.id = o.item_id
        WHERE o.tenant_id = c.tenant_id AND o.as_of = c.as_of AND n.subscription_id = i.subscription_id
          AND o.invoice_id <> c.invoice_id) AS elsewhere
FROM late_corrections c JOIN invoice_items i ON i.tenant_id = c.tenant_id AND i.id = c.item_id
WHERE c.tenant_id = :tenant AND c.invoice_id = ANY(:ids) ORDER BY c.invoice_id, c.id
""")

_NOTES = text("""
SELECT n.invoice_id, n.id, n.number, n.reason, n.net_minor AS note_net, n.tax_minor AS note_tax, l.invoice_line_id,
       l.net_minor, l.tax_minor
FROM credit_notes n JOIN credit_note_lines l ON l.tenant_id = n.tenant_id AND l.credit_note_id = n.id
WHERE n.tenant_id = :tenant AND n.invoice_id = ANY(:ids) ORDER BY n.invoice_id, n.id, l.id
""")
