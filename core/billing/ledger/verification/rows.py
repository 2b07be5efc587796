"""Checks that are one query each: sums, versions, balances, floors, holds, and usage matched with transactions.

They repeat what the database's triggers refuse, for rows that came past the triggers. Each query yields the row's
name and what is wrong with it.
"""

from collections.abc import AsyncIterator
from typing import Any, LiteralString
from uuid import UUID

import psycopg

from core.billing.ledger.verification.findings import Finding, stream


async def check_rows(connection: psycopg.AsyncConnection[Any], tenant_id: UUID, tenant: str) -> AsyncIterator[Finding]:
    """Everything that a query alone can tell."""
    for check, query in _CHECKS.items():
        async for row, detail in stream(connection, query, tenant_id):
            yield Finding(tenant, check, row, detail)


_CHECKS: dict[str, LiteralString] = {
    "zero_sum": """
        SELECT 'transaction ' || transaction_id,
               'sums to ' || sum(amount_micro) || ' micro-' || currency || ', not to zero'
        FROM ledger_entries WHERE tenant_id = %(tenant)s
        GROUP BY transaction_id, currency HAVING sum(amount_micro) <> 0
    """,
    "entry_version": """
        SELECT 'entry ' || version || ' of account ' || account_id,
               CASE WHEN before IS NULL THEN 'is the first, but not version 1' ELSE 'follows version ' || before END
        FROM (SELECT account_id, version, lag(version) OVER (PARTITION BY account_id ORDER BY version) AS before
              FROM ledger_entries WHERE tenant_id = %(tenant)s) AS entry
        WHERE version <> coalesce(before, 0) + 1
    """,
    "entry_balance": """
        SELECT 'entry ' || version || ' of account ' || account_id,
               'is ' || amount_micro || ' on a balance of ' || before || ' and leaves ' || balance_after_micro
        FROM (SELECT account_id, version, amount_micro, balance_after_micro,
                     coalesce(lag(balance_after_micro) OVER (PARTITION BY account_id ORDER BY version), 0) AS before
              FROM ledger_entries WHERE tenant_id = %(tenant)s) AS entry
        WHERE balance_after_micro <> before + amount_micro
    """,
    "entry_account": """
        SELECT 'entry ' || e.version || ' of account ' || e.account_id,
               CASE WHEN a.id IS NULL THEN 'has no account' WHEN t.id IS NULL THEN 'has no transaction'
                    ELSE 'is in ' || e.currency || ', its account in ' || a.currency END
        FROM ledger_entries e
        LEFT JOIN accounts a ON a.tenant_id = e.tenant_id AND a.id = e.account_id
        LEFT JOIN ledger_transactions t ON t.tenant_id = e.tenant_id AND t.id = e.transaction_id
        WHERE e.tenant_id = %(tenant)s AND (a.id IS NULL OR t.id IS NULL OR a.currency <> e.currency)
    """,
    "floor": """
        SELECT 'entry ' || e.version || ' of account ' || e.account_id,
               'takes a ' || a.kind || ' to ' || e.balance_after_micro || ', past ' || coalesce(a.floor_micro, 0)
        FROM ledger_entries e
        JOIN accounts a ON a.tenant_id = e.tenant_id AND a.id = e.account_id
        WHERE e.tenant_id = %(tenant)s
          AND ((a.floor_micro IS NOT NULL AND e.amount_micro < 0 AND e.balance_after_micro < a.floor_micro)
               OR (a.kind = 'receivable' AND e.balance_after_micro > 0))
    """,
    "account_balance": """
        SELECT 'account ' || a.id,
               'has a balance of ' || a.balance_micro || ' at version ' || a.version || '; its entries sum to '
               || coalesce(e.total, 0) || ' at version ' || coalesce(e.newest, 0)
        FROM accounts a
        LEFT JOIN (SELECT account_id, sum(amount_micro) AS total, max(version) AS newest
                   FROM ledger_entries WHERE tenant_id = %(tenant)s GROUP BY account_id) AS e ON e.account_id = a.id
        WHERE a.tenant_id = %(tenant)s
          AND (a.balance_micro <> coalesce(e.total, 0) OR a.version <> coalesce(e.newest, 0))
    """,
    "account_held": """
        SELECT 'account ' || a.id, 'holds ' || a.held_micro || '; its open holds sum to ' || coalesce(h.total, 0)
        FROM accounts a
        LEFT JOIN (SELECT account_id, sum(amount_micro) AS total
                   FROM (SELECT account_id, amount_micro - limited_micro AS amount_micro
                         FROM holds WHERE tenant_id = %(tenant)s AND state = 'open'
                         UNION ALL
                         SELECT account_id, amount_micro FROM hold_shares WHERE tenant_id = %(tenant)s) AS kept
                   GROUP BY account_id) AS h
               ON h.account_id = a.id
        WHERE a.tenant_id = %(tenant)s AND a.held_micro <> coalesce(h.total, 0)
    """,
    "account_floor": """
        SELECT 'account ' || id,
               'has ' || balance_micro - held_micro || ' available, below its floor of ' || floor_micro
        FROM accounts WHERE tenant_id = %(tenant)s AND balance_micro - held_micro < floor_micro
    """,
    "hold_settled": """
        SELECT 'hold ' || h.id, 'was settled by transaction ' || h.transaction_id || ', which is gone'
        FROM holds h
        LEFT JOIN ledger_transactions t ON t.tenant_id = h.tenant_id AND t.id = h.transaction_id
        WHERE h.tenant_id = %(tenant)s AND h.transaction_id IS NOT NULL AND t.id IS NULL
    """,
    "transaction_entries": """
        SELECT 'transaction ' || t.id, 'has no entries'
        FROM ledger_transactions t
        WHERE t.tenant_id = %(tenant)s
          AND NOT EXISTS (SELECT FROM ledger_entries e WHERE e.tenant_id = t.tenant_id AND e.transaction_id = t.id)
    """,
    "usage_event_of_transaction": """
        SELECT 'transaction ' || t.id, CASE WHEN k.event_id IS NULL THEN 'has no usage key'
                                            ELSE 'has no usage event that it settles' END
        FROM ledger_transactions t
        LEFT JOIN usage_keys k ON k.tenant_id = t.tenant_id AND k.transaction_id = t.id
        LEFT JOIN usage_events e ON e.tenant_id = k.tenant_id AND e.id = k.event_id
                                AND e.occurred_at = k.event_occurred_at AND e.transaction_id = t.id
        WHERE t.tenant_id = %(tenant)s AND t.kind = 'usage' AND e.id IS NULL
    """,
    "transaction_of_usage_event": """
        SELECT 'usage event ' || e.id,
               CASE WHEN t.id IS NULL THEN 'is settled by transaction ' || e.transaction_id || ', which is no charge'
                    ELSE 'is not the one that its key names' END
        FROM usage_events e
        LEFT JOIN usage_keys k ON k.tenant_id = e.tenant_id AND k.key = e.idempotency_key
        LEFT JOIN ledger_transactions t ON t.tenant_id = e.tenant_id AND t.id = e.transaction_id AND t.kind = 'usage'
        WHERE e.tenant_id = %(tenant)s AND e.outcome = 'settled'
          AND (t.id IS NULL OR k.event_id IS DISTINCT FROM e.id OR k.transaction_id IS DISTINCT FROM e.transaction_id)
    """,
    "usage_charged": """
        SELECT 'usage event ' || e.id,
               'costs ' || e.amount_micro || '; its transaction books ' || coalesce(sum(r.amount_micro), 0)
        FROM usage_events e
        LEFT JOIN (SELECT n.transaction_id, n.amount_micro, n.currency
                   FROM ledger_entries n
                   JOIN accounts a ON a.tenant_id = n.tenant_id AND a.id = n.account_id AND a.kind = 'revenue'
                   WHERE n.tenant_id = %(tenant)s) AS r
               ON r.transaction_id = e.transaction_id AND r.currency = e.currency
        WHERE e.tenant_id = %(tenant)s AND e.outcome = 'settled'
        GROUP BY e.id, e.occurred_at, e.amount_micro HAVING e.amount_micro <> coalesce(sum(r.amount_micro), 0)
    """,
}
