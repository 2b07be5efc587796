"""/auth/api-keys."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from core.foundation.clock import wall_now
from core.foundation.ids import parse_id
from core.foundation.schemas import Page
from core.identity.api_keys import repository, service
from core.identity.api_keys.models import ApiKey
from core.identity.api_keys.schemas import ApiKeyAnswer, CreatedApiKey, NewApiKey
from core.identity.scope import Reading, Writing

router = APIRouter(prefix="/auth/api-keys", tags=["auth"])


@router.post("", operation_id="create_api_key", status_code=201)
async def create_api_key(scope: Writing, body: NewApiKey) -> CreatedApiKey:
    """Make a key for an application. Keep `key`: it is shown this once."""
    async with scope.writing() as unit:
        row, key = await service.create_api_key(
            unit.session,
            tenant_id=unit.tenant_id,
            name=body.name,
            scopes=list(body.scopes),
            rate_limit=body.rate_limit,
            expires_at=body.expires_at,
            actor=unit.actor,
            wall=wall_now(),
            now=unit.now,
        )
    return CreatedApiKey(**_shown(row).model_dump(), key=key)


@router.get("", operation_id="list_api_keys")
async def list_api_keys(
    scope: Reading,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=36)] = None,
) -> Page[ApiKeyAnswer]:
    """Keys that are not revoked, newest first."""
    before = parse_id(cursor, "cursor") if cursor is not None else None
    async with scope.reading() as unit:
        rows = await repository.list_api_keys(unit.session, tenant_id=unit.tenant_id, before=before, limit=limit + 1)
    page = rows[:limit]
    return Page(data=[_shown(row) for row in page], next_cursor=str(page[-1].id) if len(rows) > limit else None)


@router.delete("/{api_key_id}", operation_id="revoke_api_key", status_code=204, response_class=Response)
async def revoke_api_key(scope: Writing, api_key_id: UUID) -> None:
    """Revoke a key; it stops working within seconds."""
    async with scope.writing() as unit:
        await service.revoke_api_key(
            unit.session,
            tenant_id=unit.tenant_id,
            api_key_id=api_key_id,
            actor=unit.actor,
            wall=wall_now(),
            now=unit.now,
        )


def _shown(row: ApiKey) -> ApiKeyAnswer:
    return ApiKeyAnswer.model_validate(
        {
            "api_key_id": row.id,
            "name": row.name,
            "prefix": row.prefix,
            "scopes": row.scopes,
            "rate_limit": row.rate_limit,
            "created_at": row.created_at,
            "expires_at": row.expires_at,
            "last_used_at": row.last_used_at,
        }
    )
