"""What a set says of the money in it, and what a copy takes over beside its rows: sums, chain heads, sequences."""

from datetime import datetime
from typing import Any
from uuid import UUID

from core.billing.ledger.chain import NO_HASH
from core.billing.ledger.heads import Head, Heads
from core.operations.transfer.errors import TransferRefused
from core.operations.transfer.tables import Connection


def ledger_sums(connection: Connection) -> dict[str, dict[str, int]]:
    """By currency: how many entries, their sum (zero, when the books balance), and what wallets hold, in micro."""
    rows = connection.execute(
        "SELECT e.currency, count(*), sum(e.amount_micro)::bigint, "
        "coalesce((SELECT sum(a.balance_micro) FROM public.accounts a "
        "          WHERE a.kind = 'wallet' AND a.currency = e.currency), 0)::bigint "
        "FROM public.ledger_entries e GROUP BY 1 ORDER BY 1"
    ).fetchall()
    return {row[0]: {"entries": row[1], "sumMicro": row[2], "walletsMicro": row[3]} for row in rows}


def chain_heads(connection: Connection) -> dict[str, dict[str, Any]]:
    """The newest block of each tenant's chain; number 0 where nothing was sealed yet."""
    rows = connection.execute(
        "SELECT t.id::text, coalesce(b.number, 0), b.hash, b.transactions, coalesce(b.sealed_at, t.created_at) "
        "FROM public.tenants t LEFT JOIN LATERAL ("
        "    SELECT b.number, b.hash, b.sealed_at, (SELECT sum(cardinality(a.transaction_ids))::bigint "
        "           FROM public.ledger_blocks a WHERE a.tenant_id = t.id) AS transactions "
        "    FROM public.ledger_blocks b WHERE b.tenant_id = t.id ORDER BY b.number DESC LIMIT 1) b ON true "
        "ORDER BY 1"
    ).fetchall()
    return {
        row[0]: {
            "number": row[1],
            "hash": (bytes(row[2]) if row[2] else NO_HASH).hex(),
            "transactions": row[3] or 0,
            "sealedAt": row[4].isoformat(),
        }
        for row in rows
    }


def sequences(connection: Connection) -> dict[str, list[Any]]:
    """Last value and whether it was given out, by name; but those that count what happened to one server."""
    rows = connection.execute(
        "SELECT s.sequencename, coalesce(s.last_value, s.start_value), s.last_value IS NOT NULL "
        "FROM pg_catalog.pg_sequences s WHERE s.schemaname = 'public' ORDER BY 1"
    ).fetchall()
    return {row[0]: [row[1], row[2]] for row in rows if row[0] not in _OF_ONE_SERVER}


def set_sequences(connection: Connection, values: dict[str, list[Any]]) -> None:
    """As they were; as the mover or the owner. One statement, whatever their number."""
    connection.execute(
        "SELECT setval(format('public.%%I', s.name)::regclass, s.value, s.is_called) "
        "FROM unnest(%s::text[], %s::bigint[], %s::boolean[]) AS s (name, value, is_called)",
        [list(values), [value for value, _ in values.values()], [is_called for _, is_called in values.values()]],
    )


def refuse_foreign_heads(heads: Heads, expected: dict[str, dict[str, Any]]) -> None:
    """Raises TransferRefused where a head here has come further than the chain that is to be served here."""
    for tenant in heads.tenants():
        head, coming = heads.find(tenant), expected.get(str(tenant))
        if head is not None and (coming is None or head.number > coming["number"]):
            raise TransferRefused(
                f"{heads.folder} holds the signed head of block {head.number} of tenant {tenant}, which the rows to "
                "come do not have: it belongs to another ledger; set that folder aside, or give an empty one as "
                "LEDGER_HEADS_PATH"
            )


def sign_heads(heads: Heads, expected: dict[str, dict[str, Any]]) -> int:
    """Signs the heads of what arrived, so that nothing can be cut off from now on; how many."""
    for tenant, head in expected.items():
        heads.advance(
            Head(
                tenant_id=UUID(tenant),
                number=head["number"],
                hash=bytes.fromhex(head["hash"]),
                transactions=head["transactions"],
                sealed_at=datetime.fromisoformat(head["sealedAt"]),
            )
        )
    return len(expected)


_OF_ONE_SERVER = ("write_refusals",)
