"""What a route is given: the caller, its tenant, and transactions that belong to that tenant.

Tenant users read and write as the application. Installation users read as the operator, name the tenant with
`?tenantId=`, and to write they enter it with a reason, which the audit log keeps.
"""

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, cast
from uuid import UUID

from fastapi import Depends, Header, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession

from core.foundation.clock import tenant_now, wall_now
from core.foundation.database import Database
from core.foundation.errors import Forbidden, Unauthenticated
from core.foundation.runtime import runtime
from core.identity.access import OPERATOR, Principal
from core.identity.errors import CustomerForbidden, ReasonRequired, TenantForbidden, TenantNotFound, TenantRequired
from core.identity.tenants import auditing
from core.identity.tenants.directory import Directory

PRINCIPAL = "cloudbill.principal"
"""Where the door leaves the verified caller in the ASGI scope."""
ADDRESS = "cloudbill.address"
"""Where the door leaves the address that the caller calls from."""
LEFT_TO_THEIR_BOOKS = frozenset({"ingest_usage", "reconcile", "reserve", "release"})
"""Operations of applications, thousands a second: usage events, holds and the ledger are immutable records of them."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One transaction of a tenant; `now` is the tenant's time."""

    session: AsyncSession
    tenant_id: UUID
    now: datetime
    actor: Principal


class TenantScope:
    """The caller and the tenant it means."""

    __slots__ = ("_database", "_is_test", "_origin", "_reason", "_route", "principal", "slug", "tenant_id")

    def __init__(
        self,
        principal: Principal,
        database: Database,
        *,
        tenant_id: UUID,
        slug: str,
        is_test: bool,
        reason: str | None,
        origin: str | None = None,
        route: str | None = None,
    ) -> None:
        self.principal = principal
        self.tenant_id = tenant_id
        self.slug = slug
        self._is_test = is_test
        self._database = database
        self._reason = reason
        self._origin = origin
        self._route = route

    @property
    def database(self) -> Database:
        """The installation's database, for work that spans several transactions."""
        return self._database

    def confirm(self, slug: str | None) -> None:
        """Raises TenantForbidden where a body or path names another tenant."""
        if slug is not None and slug != self.slug:
            raise TenantForbidden

    def customer(self, *, external_id: str | None = None, customer_id: UUID | None = None) -> None:
        """Raises CustomerForbidden where a foreign token names a customer other than its own."""
        own = self.principal
        if own.customer_id is not None and (
            external_id not in (None, own.customer_external_id) or customer_id not in (None, own.customer_id)
        ):
            raise CustomerForbidden

    async def now(self) -> datetime:
        """The tenant's time, outside of a unit."""
        if not self._is_test:
            return wall_now()
        async with self._database.tenant(self.tenant_id) as session:
            return await tenant_now(session, self.tenant_id)

    def reading(self) -> AbstractAsyncContextManager[Unit]:
        """A transaction to read in."""
        return self._unit(self._database.reading() if self.principal.installation_role else self._tenant(writes=False))

    def writing(self) -> AbstractAsyncContextManager[Unit]:
        """A transaction that commits at the end and leaves its row in the audit log."""
        return self._unit(self._tenant(), writes=True)

    def _tenant(self, *, writes: bool = True) -> AbstractAsyncContextManager[AsyncSession]:
        return self._database.tenant(self.tenant_id, writes=writes)

    @asynccontextmanager
    async def _unit(
        self, opening: AbstractAsyncContextManager[AsyncSession], *, writes: bool = False
    ) -> AsyncGenerator[Unit]:
        async with opening as session:
            pending = auditing.begin(session, origin=self._origin, route=self._route) if writes else None
            # Only a test tenant has a clock: the others are spared the question.
            now = await tenant_now(session, self.tenant_id) if self._is_test else wall_now()
            if pending is None:
                yield Unit(session, self.tenant_id, now, self.principal)
                return
            if self.principal.installation_role is not None:
                auditing.record(
                    session,
                    tenant_id=self.tenant_id,
                    actor=self.principal,
                    action=auditing.ENTERED,
                    reason=self._reason,
                    occurred_at=now,
                )
            yield Unit(session, self.tenant_id, now, self.principal)
            await auditing.complete(session, pending, tenant_id=self.tenant_id, actor=self.principal, now=now)


class InstallationScope:
    """An installation user who reads across tenants."""

    __slots__ = ("_database", "principal")

    def __init__(self, principal: Principal, database: Database) -> None:
        self.principal = principal
        self._database = database

    @property
    def database(self) -> Database:
        """The installation's database."""
        return self._database

    def reading(self) -> AbstractAsyncContextManager[AsyncSession]:
        """A transaction of the reading operator."""
        return self._database.reading()


def principal(request: Request) -> Principal:
    """The verified caller; raises Unauthenticated without one."""
    found = cast("Principal | None", request.scope.get(PRINCIPAL))
    if found is None:
        raise Unauthenticated("Give an access token or an API key in the header Authorization: Bearer …")
    return found


async def current_principal(request: Request) -> Principal:
    """The verified caller, as a dependency."""
    return principal(request)


def directory(request: Request) -> Directory:
    """The tenants by name, as this process remembers them."""
    return cast("Directory", request.app.state.directory)


TenantQuery = Annotated[
    str | None,
    Query(alias="tenantId", max_length=63, description="The tenant meant; installation users must give it."),
]
ReasonHeader = Annotated[
    str | None,
    Header(
        alias="X-Tenant-Reason", max_length=500, description="Why an operator enters the tenant; kept in its audit log."
    ),
]


async def reading_scope(request: Request, tenant_id: TenantQuery = None) -> TenantScope:
    """The tenant that is read."""
    return await _scope(request, tenant_id, reason=None)


async def writing_scope(request: Request, tenant_id: TenantQuery = None, reason: ReasonHeader = None) -> TenantScope:
    """The tenant that is written to; an operator enters it with a reason."""
    caller = principal(request)
    if caller.installation_role is not None:
        if caller.installation_role != OPERATOR:
            raise Forbidden("Only an operator of the installation may change something in a tenant.")
        reason = (reason or "").strip()
        if len(reason) < 3 or any(character < " " or character == "\x7f" for character in reason):
            raise ReasonRequired
    return await _scope(request, tenant_id, reason=reason)


async def installation_scope(request: Request) -> InstallationScope:
    """An installation user; tenants' users are refused."""
    caller = principal(request)
    if caller.installation_role is None:
        raise Forbidden("This is for users of the installation.")
    return InstallationScope(caller, runtime(request).database)


async def _scope(request: Request, slug: str | None, *, reason: str | None) -> TenantScope:
    caller = principal(request)
    origin: str | None = request.scope.get(ADDRESS)
    operation: str = getattr(request.scope["route"], "operation_id", None) or request.scope["endpoint"].__name__
    route = None if operation in LEFT_TO_THEIR_BOOKS else operation
    database = runtime(request).database
    if caller.installation_role is None:
        if caller.tenant_id is None or caller.tenant_slug is None:
            raise TenantRequired
        if slug is not None and slug != caller.tenant_slug:
            raise TenantForbidden
        return TenantScope(
            caller,
            database,
            tenant_id=caller.tenant_id,
            slug=caller.tenant_slug,
            is_test=caller.tenant_is_test,
            reason=None,
            origin=origin,
            route=route,
        )
    if slug is None:
        raise TenantRequired
    tenant = await directory(request).find(slug)
    if tenant is None:
        raise TenantNotFound
    return TenantScope(
        caller,
        database,
        tenant_id=tenant.id,
        slug=tenant.slug,
        is_test=tenant.is_test,
        reason=reason,
        origin=origin,
        route=route,
    )


Caller = Annotated[Principal, Depends(current_principal)]
Reading = Annotated[TenantScope, Depends(reading_scope)]
Writing = Annotated[TenantScope, Depends(writing_scope)]
Installation = Annotated[InstallationScope, Depends(installation_scope)]
