"""An installation with books and backups, on a server of its own: one for all drills of a module."""

import asyncio
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.invoices import finalizing, one_off
from core.billing.ledger.heads import Heads
from core.billing.ledger.sealing import seal_tenant
from core.billing.ledger.signing import load_signing_keys
from core.foundation.clock import wall_now
from core.foundation.crypto import Sealer
from core.foundation.database import Database
from core.foundation.migrations.upgrade import ensure_logins, upgrade_schema
from core.foundation.settings import Settings
from core.identity.tenants.auditing import record
from core.identity.tenants.customers import ensure_customer
from core.identity.tokens.signing_keys import KeyRing
from core.operations.backups.positions import windows
from core.operations.records.sealing import audit_heads, seal_all
from tests.operations.backups.conftest import Original, eventually
from tests.operations.backups.conftest import original as original  # the fixture
from tests.operations.recovery.snapshots import TimeMachine
from tests.support.books import open_books
from tests.support.environment import ENCRYPTION_KEY
from tests.support.servers import Servers


class Installation(Original):
    """The original with schema, logins and a tenant's books; its log is archived up to a moment ago."""

    def __init__(self, original: Original) -> None:
        super().__init__(original.folder, original.server)
        upgrade_schema(self.server.url())
        ensure_logins(self.settings())
        with self.watched():
            eventually(lambda: self.catalogue.read().backups("database"))
            asyncio.run(self._keep_books())
            now: datetime = self.execute("SELECT clock_timestamp()")[0]
            eventually(lambda: max(window.end for window in windows(self.catalogue.read())) > now)

    def settings(self, **changes: Any) -> Settings:
        given: dict[str, Any] = {
            "database_url": self.server.url(),
            "database_app_url": self.server.url("cloudbill_app"),
            "database_operator_url": self.server.url("cloudbill_operator"),
            "encryption_key": ENCRYPTION_KEY,
        }
        return super().settings(**{**given, **changes})

    def alter(self, *statements: str) -> None:
        """As a superuser with all triggers off."""
        with psycopg.connect(self.server.admin_url("cloudbill"), autocommit=True) as connection:
            connection.execute("SET session_replication_role = replica")
            for statement in statements:
                connection.execute(statement)

    async def _keep_books(self) -> None:
        settings = self.settings()
        heads, database = Heads(settings.heads_path, load_signing_keys(settings)), Database(settings)
        try:
            books = await open_books(database)
            await books.top_up(5_000_000)
            for output_tokens in (100, 200, 300):
                await books.charge(output_tokens=output_tokens)
            await seal_tenant(database, heads, books.tenant_id)
            async with database.tenant(books.tenant_id) as session:
                now = wall_now()
                ada = await ensure_customer(session, tenant_id=books.tenant_id, external_id="ada@example.com", now=now)
                await _bill(session, books.tenant_id, ada.id, now=now)
                record(session, tenant_id=books.tenant_id, actor=None, action="test.furnished", occurred_at=now)
            await seal_all(database, audit_heads(settings), now=now + timedelta(minutes=1))
            await KeyRing(database, Sealer(settings)).open()  # as its API has made one
        finally:
            await database.dispose()


async def _bill(session: AsyncSession, tenant_id: UUID, customer_id: UUID, *, now: datetime) -> None:
    """A final invoice of one line over 12.00 USD."""
    line = one_off.Written(description="Setting up", code="setup", amount_minor=12_00)
    common: dict[str, Any] = {"tenant_id": tenant_id, "now": now}
    items = one_off.make_items([line], customer_id=customer_id, currency="USD", bill_at=now, **common)
    invoice = await one_off.draft_by_hand(session, items, memo=None, **common)
    await finalizing.finalize_drafts(session, [invoice.id], **common)


@pytest.fixture(scope="module")
def installation(original: Original) -> Iterator[Installation]:
    return Installation(original)


@pytest.fixture
def machine(servers: Servers, database_name: str) -> Iterator[TimeMachine]:
    """A snapshot of this test's database, and the way back to it."""
    made = TimeMachine(servers, database_name)
    yield made
    made.drop()
