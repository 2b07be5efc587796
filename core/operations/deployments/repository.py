"""Every statement on deployments: written through narrow functions, read as the operator."""

import zlib
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from infra.costs import StackGraph, read_graph


def pack(graph: str) -> str:
    """A graph's JSON as it is stored: compressed, as PostgreSQL reads bytes from text."""
    return "\\x" + zlib.compress(graph.encode(), 6).hex()


def unpack(stored: bytes) -> StackGraph:
    """The graph again."""
    return read_graph(zlib.decompress(stored).decode())


async def store(session: AsyncSession, deployment: dict[str, Any], estimates: list[dict[str, Any]]) -> bool:
    """False where its idempotency key is taken. As the application."""
    return bool(await session.scalar(_STORE, {"deployment": deployment, "estimates": estimates}))


async def finish(session: AsyncSession, deployment_id: UUID, ending: dict[str, Any]) -> bool:
    """False where it does not run. As the application."""
    return bool(await session.scalar(_FINISH, {"id": deployment_id, "ending": ending}))


async def find_by_key(session: AsyncSession, key: str) -> Row[Any] | None:
    """id, input_hash, estimate_error."""
    return (await session.execute(_BY_KEY, {"key": key})).one_or_none()


async def find(session: AsyncSession, deployment_id: UUID) -> Row[Any] | None:
    """All of one, with its estimate, but its graph."""
    return (await session.execute(_ONE, {"id": deployment_id})).one_or_none()


async def find_outcome(session: AsyncSession, deployment_id: UUID) -> str | None:
    """How it stands; None where there is none."""
    return await session.scalar(text("SELECT outcome FROM deployments WHERE id = :id"), {"id": deployment_id})


async def list_deployments(
    session: AsyncSession, *, stack: str | None, before: UUID | None, limit: int
) -> Sequence[Row[Any]]:
    """Newest first; one more than `limit` where there is a next page."""
    return (await session.execute(_LIST, {"stack": stack, "before": before, "limit": limit + 1})).all()


async def list_graphs(session: AsyncSession, deployment_id: UUID) -> Sequence[Row[Any]]:
    """id, recorded_at, graph, monthly, currency: the deployment's own, then that of the stack's one before."""
    return (await session.execute(_GRAPHS, {"id": deployment_id})).all()


_STORE = text("SELECT store_deployment(:deployment, :estimates)").bindparams(
    bindparam("deployment", type_=JSONB), bindparam("estimates", type_=JSONB)
)
_FINISH = text("SELECT finish_deployment(:id, :ending)").bindparams(bindparam("ending", type_=JSONB))
_BY_KEY = text("SELECT id, input_hash, estimate_error FROM deployments WHERE idempotency_key = :key")

_ROW = """
d.id, d.stack, d.cloud, d.environment, d.kind, d.revision, d.version, d.source_digest, d.outcome, d.started_at,
d.finished_at, d.recorded_at, d.resources, e.currency, e.monthly, l.monthly AS low, h.monthly AS high, d.policies
"""
_FROM = """
FROM deployments d
LEFT JOIN cost_estimates e ON e.deployment_id = d.id AND e.usage = 'base'
LEFT JOIN cost_estimates l ON l.deployment_id = d.id AND l.usage = 'small'
LEFT JOIN cost_estimates h ON h.deployment_id = d.id AND h.usage = 'large'
"""
_LIST = text(
    f"SELECT {_ROW} {_FROM} WHERE (CAST(:stack AS text) IS NULL OR d.stack = :stack) "
    "AND (CAST(:before AS uuid) IS NULL OR d.id < :before) ORDER BY d.id DESC LIMIT :limit"
)
_ONE = text(f"SELECT {_ROW}, d.outputs, d.steps, d.estimate_error, e.by_category {_FROM} WHERE d.id = :id")
_GRAPHS = text("""
SELECT d.id, d.recorded_at, d.graph, e.monthly, e.currency
FROM deployments d LEFT JOIN cost_estimates e ON e.deployment_id = d.id AND e.usage = 'base'
WHERE d.stack = (SELECT stack FROM deployments WHERE id = :id) AND d.id <= :id
ORDER BY d.id DESC LIMIT 2
""")
