"""Asking the provider what moved, reading what we say, and holding one against the other. Writes nothing."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from prometheus_client import Gauge
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.payments.gateway import payment_provider
from core.billing.payments.providers.saving import ProviderMovement
from core.billing.payments.reconciling.comparing import Acknowledged, Compared, Difference, Key, Known, compare
from core.foundation.database import Database
from core.foundation.ids import INSTALLATION_ID
from core.foundation.settings import Settings

DIFFERENCES = Gauge(
    "cloudbill_payment_differences", "Differences between the payment provider and us, as last compared.", ["class"]
)
COMPARED_AT = Gauge(
    "cloudbill_payments_compared_timestamp_seconds", "When the payment provider was last compared with us."
)
WINDOW = timedelta(days=35)
"""How far back is looked unless told otherwise, and what is remembered covers at least."""
EDGE = timedelta(days=2)
"""How much further back the provider is asked, so that what lies on the edge finds its other half."""


async def reconcile(database: Database, settings: Settings, *, since: datetime, wall: datetime) -> Compared:
    """Everything that moved from `since` on. Raises PaymentProviderUnavailable, ProviderError."""
    provider = payment_provider(settings)
    moved = [movement async for movement in provider.list_movements(since - EDGE)]
    async with database.reading() as session:
        ours = await list_ours(session, moved, account_id=settings.stripe_account_id, since=since)
        acknowledged = await list_acknowledged(session, account_id=settings.stripe_account_id)
    done = compare(ours, moved, since=since, wall=wall, acknowledged=acknowledged)
    counts = dict.fromkeys(Difference, 0)
    for finding in done.findings:
        counts[finding.difference] += 1
    for difference, count in counts.items():
        DIFFERENCES.labels(difference.value).set(count)
    COMPARED_AT.set(wall.timestamp())
    return done


async def list_ours(
    session: AsyncSession, moved: Sequence[ProviderMovement], *, account_id: str, since: datetime
) -> list[Known]:
    """Our rows of what the provider moved, however old, and those that say that something moved since."""
    given = {
        "account": account_id,
        "since": since,
        "payments": sorted({movement.payment_id for movement in moved if movement.payment_id}),
        "sources": sorted({movement.source_id for movement in moved if movement.source_id}),
    }
    found: list[Known] = []
    for statement in (_PAYMENTS, _REFUNDS, _DISPUTES):
        found += [Known(**row) for row in (await session.execute(statement, given)).mappings()]
    return found


async def list_acknowledged(session: AsyncSession, *, account_id: str) -> dict[Key, Acknowledged]:
    """Movements that are not ours, by what an operator said last of each."""
    given = {"installation": INSTALLATION_ID, "account": account_id}
    return {
        (row.kind, row.provider_id): Acknowledged(
            row.amount_minor, row.currency, row.reason, row.acknowledged_by, row.acknowledged_at
        )
        for row in await session.execute(_ACKNOWLEDGED, given)
        if row.amount_minor is not None
    }


_ACKNOWLEDGED = text("""
    SELECT DISTINCT ON (kind, provider_id)
           kind, provider_id, amount_minor, currency, reason, acknowledged_by, acknowledged_at
    FROM payment_acknowledgements WHERE tenant_id = :installation AND provider_account_id = :account
    ORDER BY kind, provider_id, id DESC
""")
# Credits are booked for the payment that settled its purchase, once; for a second one none are. What is paid for an
# invoice is counted by it, and what it does not take goes back at once: by the first such refund, others try it again.
_PAYMENTS = text("""
    SELECT 'charge' AS kind, y.id::text AS row_id, y.tenant_id::text AS tenant_id, y.provider_intent_id AS provider_id,
           y.amount_minor, CASE y.state WHEN 'succeeded' THEN y.amount_minor ELSE 0 END AS moved_minor, y.currency,
           y.state, y.updated_at AS changed_at,
           CASE WHEN y.invoice_id IS NOT NULL THEN (
               SELECT coalesce(sum(a.amount_minor), 0)::bigint FROM invoice_payments a
               WHERE a.tenant_id = y.tenant_id AND a.invoice_id = y.invoice_id AND a.cause_id = y.id
           ) + coalesce((
               SELECT r.amount_minor FROM refunds r
               WHERE r.tenant_id = y.tenant_id AND r.payment_id = y.id AND r.origin = 'duplicate'
               ORDER BY r.id LIMIT 1
           ), 0) ELSE (SELECT sum(e.amount_micro)::bigint FROM ledger_transactions t
            JOIN ledger_entries e ON e.tenant_id = t.tenant_id AND e.transaction_id = t.id AND e.amount_micro > 0
            WHERE t.tenant_id = p.tenant_id AND t.kind = 'purchase' AND t.reference = p.id::text) END AS booked_micro,
           CASE WHEN y.invoice_id IS NOT NULL THEN y.amount_minor
                WHEN p.paid_by = y.means THEN p.credits_micro END AS expected_micro,
           CASE WHEN y.invoice_id IS NOT NULL THEN 'minor units of an invoice'
                ELSE 'micro-units of credits' END AS booked_as
    FROM payments y LEFT JOIN purchases p ON p.tenant_id = y.tenant_id AND p.id = y.purchase_id
    WHERE y.provider_account_id = :account AND y.provider_intent_id IS NOT NULL
      AND (y.provider_intent_id = ANY(:payments) OR (y.state = 'succeeded' AND y.updated_at >= :since))
""")
_REFUNDS = text("""
    SELECT 'refund' AS kind, r.id::text AS row_id, r.tenant_id::text AS tenant_id, r.provider_id, r.amount_minor,
           CASE WHEN r.state IN ('pending', 'succeeded') THEN -r.amount_minor ELSE 0 END AS moved_minor, r.currency,
           r.state, r.updated_at AS changed_at,
           (SELECT sum(e.amount_micro)::bigint FROM ledger_transactions t
            JOIN ledger_entries e ON e.tenant_id = t.tenant_id AND e.transaction_id = t.id AND e.amount_micro > 0
            WHERE t.tenant_id = r.tenant_id AND t.kind = 'refund' AND t.reference = r.id::text) AS booked_micro,
           CASE WHEN r.credits_micro > 0 THEN r.credits_micro END AS expected_micro
    FROM refunds r
    WHERE r.provider_account_id = :account AND r.provider_id IS NOT NULL
      AND (r.provider_id = ANY(:sources) OR (r.state = 'succeeded' AND r.updated_at >= :since))
""")
_DISPUTES = text("""
    SELECT 'dispute' AS kind, d.id::text AS row_id, d.tenant_id::text AS tenant_id, d.provider_id, d.amount_minor,
           CASE d.state WHEN 'won' THEN 0 ELSE -d.amount_minor END AS moved_minor, d.currency, d.state,
           y.updated_at AS changed_at,
           (SELECT sum(e.amount_micro)::bigint FROM ledger_transactions t
            JOIN ledger_entries e ON e.tenant_id = t.tenant_id AND e.transaction_id = t.id AND e.amount_micro > 0
            WHERE t.tenant_id = d.tenant_id AND t.kind = 'dispute' AND t.reference = d.id::text) AS booked_micro,
           CASE WHEN d.credits_micro > 0 THEN d.credits_micro END AS expected_micro
    FROM disputes d JOIN payments y ON y.tenant_id = d.tenant_id AND y.id = d.payment_id
    WHERE d.provider_account_id = :account AND (d.provider_id = ANY(:sources) OR (d.state <> 'won'
      AND y.updated_at >= :since))
""")
