"""Each charge found again: from its arithmetic, from its event's tokens, and from the price book it names."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import namedtuple_row

from core.billing.ledger.verification.findings import Finding, stream
from core.billing.pricing.rating import recompute

Prices = dict[tuple[str, str], dict[str, Decimal]]
"""By price book id and model: unit prices by kind of token."""


async def check_charges(
    connection: psycopg.AsyncConnection[Any], tenant_id: UUID, tenant: str
) -> AsyncIterator[Finding]:
    """Every usage event whose amount is not what its tokens cost by the price book it was charged by."""
    prices = await _prices(connection, tenant_id)
    async for event in stream(connection, _EVENTS, tenant_id, row_factory=namedtuple_row):
        wrong = _wrong(event, prices)
        if wrong is not None:
            yield Finding(tenant, "charge", f"usage event {event.id}", wrong)


def _wrong(event: Any, prices: Prices) -> str | None:
    try:
        arithmetic: dict[str, Any] = event.arithmetic
        lines = {line["tokens"]: line for line in arithmetic["lines"]}
        book = arithmetic["priceBook"]
        amount_micro = recompute(arithmetic)
        counts = {kind: int(line["count"]) for kind, line in lines.items()}
        unit_prices = {kind: Decimal(line["perMillion"]) for kind, line in lines.items()}
        listed = prices.get((str(book["id"]), event.model))
        version = (int(book["version"]), str(book["currency"]))
    except (KeyError, TypeError, ValueError, ArithmeticError):
        return "keeps no arithmetic that the charge can be recomputed from"
    if amount_micro != event.amount_micro:
        return f"costs {event.amount_micro}; its arithmetic gives {amount_micro}"
    tokens = {
        "input": event.input_tokens - event.cached_tokens,
        "cached": event.cached_tokens,
        "output": event.output_tokens,
    }
    if {kind: count for kind, count in tokens.items() if count} != {
        kind: count for kind, count in counts.items() if count
    }:
        return f"has {tokens} tokens; its arithmetic counts {counts}"
    if version != (event.price_book_version, event.currency):
        return f"names price book version {event.price_book_version} in {event.currency}; its arithmetic {version}"
    if listed is None or any(listed.get(kind) != price for kind, price in unit_prices.items()):
        return f"was charged by prices that price book {book['id']} does not list for {event.model}"
    return None


async def _prices(connection: psycopg.AsyncConnection[Any], tenant_id: UUID) -> Prices:
    async with connection.cursor() as cursor:
        await cursor.execute(_PRICES, {"tenant": tenant_id, "installation": UUID(int=0)})
        return {
            (str(book_id), model): {"input": per_input, "cached": per_cached, "output": per_output}
            for book_id, model, per_input, per_cached, per_output in await cursor.fetchall()
        }


_EVENTS = """
SELECT id, model, input_tokens, cached_tokens, output_tokens, amount_micro, currency, price_book_version, arithmetic
FROM usage_events WHERE tenant_id = %(tenant)s AND outcome <> 'metered'
"""

_PRICES = """
SELECT price_book_id, model, input_per_million, cached_per_million, output_per_million
FROM model_prices WHERE tenant_id IN (%(tenant)s, %(installation)s)
"""
