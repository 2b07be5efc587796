"""Keeping what was deployed, once, with what it costs."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from core.foundation.crypto import input_hash
from core.foundation.database import Database
from core.foundation.errors import Conflict, InvalidInput, KeyReused, NotFound
from core.foundation.ids import new_id
from core.operations.costs.estimating import environment_of, estimate_for_keeping
from core.operations.deployments import repository
from core.operations.deployments.changes import Changes, changes_between
from core.operations.deployments.plain import refuse_secrets
from core.operations.deployments.schemas import DeploymentBody, DeploymentEnding, GraphBody, PolicyFinding
from infra.costs import InvalidGraph, StackGraph, read_graph


class DeploymentNotFound(NotFound):
    """No such deployment."""

    code = "deployment_not_found"
    title = "No such deployment"

    def __init__(self) -> None:
        super().__init__("There is no such deployment. GET /operations/deployments lists them.")


class DeploymentOver(Conflict):
    """It has ended and is never changed."""

    code = "deployment_over"
    title = "The deployment is over"


@dataclass(frozen=True)
class Stored:
    """The deployment that a request stored, or that its key stored before."""

    id: UUID
    estimate_error: str | None
    replayed: bool


async def store(database: Database, body: DeploymentBody, *, actor: UUID, key: str | None, now: datetime) -> Stored:
    """Raises InvalidInput, SecretInOutputs, KeyReused."""
    graph_json, graph = _graph_of(body)
    refuse_secrets(body.outputs)
    _refuse_wrong_times(body)
    hashed = input_hash(_plain(body))
    if key is not None:
        async with database.reading() as session:
            first = await _first(session, key, hashed)
        if first is not None:
            return first
    deployment_id = new_id()
    kept = estimate_for_keeping(graph, deployment_id=deployment_id, today=now.date())
    row = {
        "id": str(deployment_id),
        "stack": body.stack,
        "cloud": body.cloud,
        "environment": environment_of(graph),
        "kind": body.kind,
        "revision": body.revision,
        "version": body.version,
        "source_digest": body.source_digest,
        "outcome": body.outcome,
        "started_at": body.started_at.isoformat(),
        "finished_at": body.finished_at and body.finished_at.isoformat(),
        "recorded_at": now.isoformat(),
        "recorded_by": str(actor),
        "idempotency_key": key,
        "input_hash": "\\x" + hashed.hex(),
        "outputs": body.outputs,
        "policies": _policies(body.policies, body.policy_rules),
        "steps": [_plain(step) for step in body.steps],
        "graph": repository.pack(graph_json),
        "resources": sum(resource.custom for resource in graph.resources),
        "estimate_error": kept.error,
    }
    async with database.nobody() as session:
        stored = await repository.store(session, row, kept.rows)
    if not stored:
        assert key is not None, "only a key can be taken"
        async with database.reading() as session:
            first = await _first(session, key, hashed)
        assert first is not None, "what took the key is there"
        return first
    return Stored(deployment_id, kept.error, replayed=False)


async def finish(database: Database, deployment_id: UUID, ending: DeploymentEnding) -> None:
    """Ends one that runs. Raises DeploymentNotFound, DeploymentOver, SecretInOutputs."""
    if ending.outputs is not None:
        refuse_secrets(ending.outputs)
    row = {
        "outcome": ending.outcome,
        "finished_at": ending.finished_at.isoformat(),
        "version": ending.version,
        "outputs": ending.outputs,
        "policies": _policies(ending.policies, ending.policy_rules),
        "steps": [_plain(step) for step in ending.steps],
    }
    async with database.nobody() as session:
        finished = await repository.finish(session, deployment_id, row)
    if finished:
        return
    async with database.reading() as session:
        outcome = await repository.find_outcome(session, deployment_id)
    if outcome is None:
        raise DeploymentNotFound
    raise DeploymentOver(f"The deployment has {outcome} and is never changed. Store another one.")


async def find_changes(session: AsyncSession, deployment_id: UUID) -> tuple[list[Any], Changes]:
    """The rows of this deployment and the stack's one before, and what changed. Raises DeploymentNotFound."""
    rows = list(await repository.list_graphs(session, deployment_id))
    if not rows:
        raise DeploymentNotFound
    graphs = [repository.unpack(row.graph) for row in rows]
    return rows, changes_between(graphs[1] if len(graphs) > 1 else None, graphs[0])


async def _first(session: AsyncSession, key: str, hashed: bytes) -> Stored | None:
    row = await repository.find_by_key(session, key)
    if row is None:
        return None
    if bytes(row.input_hash) != hashed:
        raise KeyReused
    return Stored(row.id, row.estimate_error, replayed=True)


def _graph_of(body: DeploymentBody) -> tuple[str, StackGraph]:
    for name in ("stack", "cloud"):
        if getattr(body.graph, name) != getattr(body, name):
            raise InvalidInput(f"graph.{name}", f"is not the deployment's own: {getattr(body, name)} is expected")
    text = orjson.dumps(_with_options(body.graph)).decode()
    try:
        return text, read_graph(text)
    except InvalidGraph as error:  # the schema has looked already
        raise InvalidInput("graph", str(error)) from None


def _with_options(graph: GraphBody) -> dict[str, Any]:
    """As the recorder prints it: options only where there are some."""
    document = _plain(graph)
    for resource in document["resources"]:
        if not resource["options"]:
            del resource["options"]
    return document


def _refuse_wrong_times(body: DeploymentBody) -> None:
    if body.outcome == "running":
        if body.finished_at is not None:
            raise InvalidInput("finishedAt", "is known only when the deployment is over: leave it out while it runs")
        return
    if body.finished_at is None:
        raise InvalidInput("finishedAt", f"is needed for a deployment that has {body.outcome}")
    if body.finished_at < body.started_at:
        raise InvalidInput("finishedAt", "lies before startedAt")
    if (body.outcome == "recorded") != (body.kind == "recorded"):
        raise InvalidInput("outcome", "is recorded where the kind is, and only there")


def _policies(findings: list[PolicyFinding] | None, rules: int | None) -> dict[str, Any] | None:
    if findings is None:
        return None
    return {"rules": rules, "findings": [_plain(found) for found in findings]}


def _plain(body: BaseModel) -> dict[str, Any]:
    return body.model_dump(mode="json", by_alias=True)
