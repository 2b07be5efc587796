"""Alembic's entry: runs migrations as the owner, one transaction for all, behind an advisory lock."""

import importlib

from alembic import context
from sqlalchemy import Connection, create_engine, pool, text

from core.foundation.database import sqlalchemy_url
from core.foundation.settings import settings
from core.foundation.tables import Table

MODELS = (
    "core.foundation.jobs",
    "core.foundation.outbox",
    "core.identity.tenants.models",
    "core.identity.users.models",
    "core.identity.oauth.models",
    "core.identity.tokens.models",
    "core.identity.api_keys.models",
    "core.billing.catalog.models",
    "core.billing.pricing.models",
    "core.billing.metering.models",
    "core.billing.sellers.models",
    "core.billing.ledger.models",
    "core.billing.credits.models",
    "core.billing.credits.lots.models",
    "core.billing.subscriptions.models",
    "core.billing.invoices.models",
    "core.billing.invoices.late_usage.models",
    "core.billing.tax.models",
    "core.billing.payments.models",
    "core.billing.payments.methods.models",
    "core.billing.payments.reconciling.models",
    "core.billing.payments.topping.models",
    "core.billing.payments.charges.models",
    "core.billing.dunning.models",
    "core.billing.webhooks.models",
    "core.billing.notifications.models",
    "core.billing.notifications.webhooks.models",
    "core.operations.deployments.models",
    "core.operations.costs.models",
    "core.operations.alerts.models",
    "core.operations.records.models",
    "core.operations.records.retention.models",
    "core.operations.recovery.models",
    "core.operations.transfer.moving.models",
)
MIGRATION_LOCK = 0x636C6F7564  # "cloud": two migrations at once wait for each other

for module in MODELS:
    importlib.import_module(module)


def _is_ours(_object: object, name: str | None, kind: str, _reflected: bool, _compare_to: object) -> bool:
    # The jobs' tables are procrastinate's own, partitions follow from their parent, and the fence is the server's.
    return not (kind == "table" and name and name.startswith(("procrastinate_", "usage_events_", "write_fence")))


def _migrate(connection: Connection) -> None:
    context.configure(
        connection=connection, target_metadata=Table.metadata, include_object=_is_ours, compare_server_default=True
    )
    with context.begin_transaction():
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
        context.run_migrations()


given: Connection | None = context.config.attributes.get("connection")
if given is not None:
    _migrate(given)
else:
    with create_engine(sqlalchemy_url(settings().owner_url), poolclass=pool.NullPool).connect() as opened:
        _migrate(opened)
