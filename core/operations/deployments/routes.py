"""/operations/deployments: what was deployed or recorded, and what changed by it."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from sqlalchemy import Row

from core.foundation.clock import wall_now
from core.foundation.errors import InvalidInput, KeyReused
from core.foundation.ids import parse_id
from core.foundation.paging import Cursor, Limit, cut
from core.foundation.refusals import refusals
from core.foundation.schemas import Page
from core.identity.idempotency import KeyHeader
from core.identity.scope import Installation
from core.operations.deployments import repository, service
from core.operations.deployments.plain import SecretInOutputs
from core.operations.deployments.schemas import (
    DeploymentAnswer,
    DeploymentBody,
    DeploymentChanges,
    DeploymentEnded,
    DeploymentEnding,
    DeploymentRow,
    DeploymentStored,
    InputChange,
    ResourceAnswer,
    ResourceChange,
)

router = APIRouter(prefix="/operations/deployments", tags=["operations"])

Stack = Annotated[str | None, Query(pattern="^[a-z][a-z0-9-]{0,62}$", description="Only of this stack.")]


@router.post(
    "",
    status_code=201,
    operation_id="store_deployment",
    summary="Keep a deployment, or a recorded stack",
    responses=refusals(KeyReused, SecretInOutputs),
)
async def store_deployment(scope: Installation, body: DeploymentBody, key: KeyHeader = None) -> DeploymentStored:
    """The estimate is made here, from the graph, and kept with it. A graph that cannot be priced is kept without."""
    if key is not None and (not key or any(character < " " or character == "\x7f" for character in key)):
        raise InvalidInput("Idempotency-Key", "must be 1 to 200 characters without control characters")
    stored = await service.store(scope.database, body, actor=scope.principal.id, key=key, now=wall_now())
    return DeploymentStored(
        deployment_id=str(stored.id), estimate_error=stored.estimate_error, replayed=stored.replayed
    )


@router.get("", operation_id="list_deployments", summary="Deployments, newest first")
async def list_deployments(
    scope: Installation, stack: Stack = None, limit: Limit = 50, cursor: Cursor = None
) -> Page[DeploymentRow]:
    before = parse_id(cursor, "cursor") if cursor else None
    async with scope.reading() as session:
        rows = await repository.list_deployments(session, stack=stack, before=before, limit=limit)
    page, last = cut(rows, limit)
    return Page(data=[DeploymentRow(**_row(row)) for row in page], next_cursor=None if last is None else str(last.id))


@router.get(
    "/{deployment_id}",
    operation_id="get_deployment",
    summary="One deployment: outputs, steps, policies, and what it cost then",
    responses=refusals(service.DeploymentNotFound),
)
async def get_deployment(scope: Installation, deployment_id: UUID) -> DeploymentAnswer:
    async with scope.reading() as session:
        row = await repository.find(session, deployment_id)
    if row is None:
        raise service.DeploymentNotFound
    return DeploymentAnswer(
        **_row(row),
        outputs=row.outputs,
        steps=row.steps,
        policies=None if row.policies is None else row.policies["findings"],
        by_category=row.by_category,
        estimate_error=row.estimate_error,
    )


@router.patch(
    "/{deployment_id}",
    operation_id="finish_deployment",
    summary="Say how a running deployment ended",
    responses=refusals(service.DeploymentNotFound, service.DeploymentOver, SecretInOutputs),
)
async def finish_deployment(scope: Installation, deployment_id: UUID, body: DeploymentEnding) -> DeploymentEnded:
    """Once; what is over is never changed."""
    await service.finish(scope.database, deployment_id, body)
    return DeploymentEnded(deployment_id=str(deployment_id), outcome=body.outcome)


@router.get(
    "/{deployment_id}/changes",
    operation_id="get_deployment_changes",
    summary="What changed against the stack's deployment before",
    responses=refusals(service.DeploymentNotFound),
)
async def get_deployment_changes(scope: Installation, deployment_id: UUID) -> DeploymentChanges:
    async with scope.reading() as session:
        rows, changes = await service.find_changes(session, deployment_id)
    own, former = rows[0], rows[1] if len(rows) > 1 else None
    return DeploymentChanges(
        deployment_id=str(own.id),
        previous_deployment_id=None if former is None else str(former.id),
        previous_recorded_at=None if former is None else former.recorded_at,
        added=[ResourceAnswer(name=name, type=kind) for name, kind in changes.added],
        removed=[ResourceAnswer(name=name, type=kind) for name, kind in changes.removed],
        changed=[
            ResourceChange(
                name=one.name,
                type=one.type,
                inputs=[InputChange(key=key, before=before, after=after) for key, before, after in one.inputs],
            )
            for one in changes.changed
        ],
        currency=own.currency,
        monthly_before=None if former is None else _amount(former.monthly),
        monthly_after=_amount(own.monthly),
    )


def _row(row: Row[Any]) -> dict[str, Any]:
    policies = row.policies
    return {
        "deployment_id": str(row.id),
        "stack": row.stack,
        "cloud": row.cloud,
        "environment": row.environment,
        "kind": row.kind,
        "revision": row.revision,
        "version": row.version,
        "source_digest": row.source_digest,
        "outcome": row.outcome,
        "started_at": row.started_at,
        "finished_at": row.finished_at,
        "recorded_at": row.recorded_at,
        "resources": row.resources,
        "currency": row.currency,
        "monthly": _amount(row.monthly),
        "low": _amount(row.low),
        "high": _amount(row.high),
        "policy_rules": None if policies is None else policies["rules"],
        "policy_violations": None if policies is None else sum(not found["waived"] for found in policies["findings"]),
    }


def _amount(value: Any) -> str | None:
    return None if value is None else format(value, "f")
