"""The audit log, and a person's right to know and to be forgotten."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import orjson
from cryptography.fernet import InvalidToken
from fastapi import APIRouter, Query
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from core.foundation.clock import wall_now
from core.foundation.errors import NotFound
from core.foundation.ids import parse_id
from core.foundation.paging import Cursor, Limit, cut
from core.foundation.refusals import refusals
from core.foundation.schemas import InstantInput, Page
from core.identity.errors import TenantNotFound
from core.identity.scope import Installation, Reading, Writing
from core.identity.tenants.auditing import audit_subject, record
from core.identity.tenants.customers import CustomerNotFound
from core.identity.tenants.repository import find_tenant_by_slug
from core.identity.tenants.subject_keys import SubjectSeal, find_seals
from core.operations.records import erasing, exporting, repository, users
from core.operations.records.erasing import CustomerInUse, CustomerStillBilled, SelfNotErased
from core.operations.records.models import Erasure
from core.operations.records.schemas import AuditAnswer, ErasureAnswer

router = APIRouter()

Action = Annotated[
    str | None, Query(max_length=100, description="An action such as `customer.changed`, or `customer`.")
]
Actor = Annotated[UUID | None, Query(alias="actorId")]
Subject = Annotated[str | None, Query(max_length=100, description="The id that the action was about.")]


@router.get("/billing/audit", operation_id="list_audit", tags=["billing"])
async def list_audit(
    scope: Reading,
    limit: Limit = 50,
    cursor: Cursor = None,
    action: Action = None,
    actor_id: Actor = None,
    subject: Subject = None,
    since: InstantInput | None = None,
    until: InstantInput | None = None,
) -> Page[AuditAnswer]:
    """Who did what in this tenant, newest first."""
    async with scope.reading() as unit:
        return await _page(unit.session, unit.tenant_id, limit, cursor, action, actor_id, subject, since, until)


@router.get(
    "/operations/audit", operation_id="list_audit_of_all", tags=["operations"], responses=refusals(TenantNotFound)
)
async def list_audit_of_all(
    scope: Installation,
    limit: Limit = 50,
    cursor: Cursor = None,
    tenant: Annotated[str | None, Query(alias="tenantId", max_length=63)] = None,
    action: Action = None,
    actor_id: Actor = None,
    subject: Subject = None,
    since: InstantInput | None = None,
    until: InstantInput | None = None,
) -> Page[AuditAnswer]:
    """Who did what in all tenants, or in one, newest first."""
    async with scope.database.nobody() as session:
        found = None if tenant is None else await find_tenant_by_slug(session, tenant)
    if tenant is not None and found is None:
        raise TenantNotFound
    async with scope.reading() as session:
        return await _page(session, found.id if found else None, limit, cursor, action, actor_id, subject, since, until)


@router.get(
    "/billing/customers/{customer_id}/export",
    operation_id="export_customer",
    tags=["billing"],
    responses=refusals(CustomerNotFound),
)
async def export_customer(scope: Reading, customer_id: UUID) -> dict[str, Any]:
    """Everything that is held of a customer, machine-readable."""
    now = await scope.now()
    # Whoever asks: what the provider said is reached within the tenant only, through a narrow function.
    async with scope.database.tenant(scope.tenant_id, writes=False) as session:
        return await exporting.export_customer(session, tenant_id=scope.tenant_id, customer_id=customer_id, now=now)


@router.post(
    "/billing/customers/{customer_id}/erasure",
    operation_id="erase_customer",
    tags=["billing"],
    responses=refusals(CustomerNotFound, SelfNotErased, CustomerStillBilled),
)
async def erase_customer(scope: Writing, customer_id: UUID) -> ErasureAnswer:
    """Erases a customer's personal data; the books stay and name nobody. The same again gives the same answer."""
    return await _erase(scope, customer_id, erasing.erase_customer)


@router.delete(
    "/billing/customers/{customer_id}",
    operation_id="delete_customer",
    tags=["billing"],
    responses=refusals(CustomerNotFound, SelfNotErased, CustomerInUse),
)
async def delete_customer(scope: Writing, customer_id: UUID) -> ErasureAnswer:
    """Erases a customer that was never billed; 409 `customer_in_use` for one that bills rest on."""
    return await _erase(scope, customer_id, erasing.delete_customer)


async def _erase(scope: Writing, customer_id: UUID, erase: Callable[..., Awaitable[Erasure]]) -> ErasureAnswer:
    async with scope.writing() as unit:
        erasure = await erase(
            unit.session,
            tenant_id=unit.tenant_id,
            customer_id=customer_id,
            requested_by=unit.actor.id,
            now=unit.now,
        )
        record(
            unit.session,
            tenant_id=unit.tenant_id,
            actor=unit.actor,
            action="customer.erased",
            subject=str(customer_id),
            occurred_at=unit.now,
        )
        return _erased(erasure)


@router.post(
    "/operations/users/{user_id}/erasure",
    operation_id="erase_user",
    tags=["operations"],
    responses=refusals(NotFound, users.LastOwnerNotErased),
)
async def erase_user(scope: Installation, user_id: UUID) -> ErasureAnswer:
    """Erases a user: nobody signs in as them again; what they did stays under their id."""
    return _erased(await users.erase_user(scope.database, user_id=user_id, actor=scope.principal, now=wall_now()))


def _erased(erasure: Erasure) -> ErasureAnswer:
    return ErasureAnswer.model_validate(
        {name: getattr(erasure, name) for name in ErasureAnswer.model_fields if name != "keeps"}
        | {"keeps": erasure.keeps}
    )


async def _page(
    session: AsyncSession,
    tenant_id: UUID | None,
    limit: int,
    cursor: str | None,
    action: str | None,
    actor: UUID | None,
    subject: str | None,
    since: datetime | None,
    until: datetime | None,
) -> Page[AuditAnswer]:
    rows = await repository.list_entries(
        session,
        tenant_id=tenant_id,
        action=action,
        actor=actor,
        subject=subject,
        since=since,
        until=until,
        before=parse_id(cursor, "cursor") if cursor is not None else None,
        limit=limit + 1,
    )
    page, last = cut(rows, limit)
    seals: dict[tuple[UUID, UUID], SubjectSeal | None] = {}
    for tenant in {row.tenant_id for row in page}:
        subjects = {
            audit_subject(one)
            for row in page
            if row.tenant_id == tenant
            for one in (row.actor_id, row.sealed_for)
            if one is not None
        }
        for key, seal in (await find_seals(session, tenant, subjects)).items():
            seals[tenant, key] = seal
    return Page(data=_shown(page, seals), next_cursor=str(last.id) if last else None)


def _shown(rows: Sequence[Row[Any]], seals: dict[tuple[UUID, UUID], SubjectSeal | None]) -> list[AuditAnswer]:
    def opened(row: Row[Any], subject: UUID | None, sealed: bytes | None) -> dict[str, Any]:
        seal = None if subject is None else seals.get((row.tenant_id, audit_subject(subject)))
        if seal is None or sealed is None:
            return {}
        try:
            return orjson.loads(seal.open(bytes(sealed)))
        except InvalidToken:
            return {}

    found: list[AuditAnswer] = []
    for row in rows:
        change = opened(row, row.sealed_for, row.change)
        found.append(
            AuditAnswer(
                audit_id=row.id,
                tenant_id=row.slug,
                action=row.action,
                actor_id=row.actor_id,
                actor_kind=row.actor_kind,
                subject=row.subject,
                reason=row.reason,
                details=row.details,
                before=change.get("before"),
                after=change.get("after"),
                address=opened(row, row.actor_id, row.origin).get("address"),
                request_id=row.request_id,
                occurred_at=row.occurred_at,
                recorded_at=row.recorded_at,
            )
        )
    return found
