"""GET /metrics: Prometheus' text format. With METRICS_TOKEN set, only its bearer reads it."""

import asyncio
import contextlib
import hmac
from typing import Any, cast

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import QueuePool

from core.foundation.clock import wall_now
from core.foundation.errors import Unauthenticated
from core.foundation.runtime import Runtime, runtime
from core.foundation.telemetry import POOL_CONNECTIONS
from core.operations.alerts import nightly
from core.operations.backups import measuring as backups
from core.operations.jobs.measuring import measure

router = APIRouter(tags=["health"])


@router.get(
    "/metrics",
    operation_id="metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}, "description": "Metrics in Prometheus' text format."}},
)
async def metrics(request: Request) -> Response:
    """Counters and gauges of this process."""
    parts = runtime(request)
    token = parts.settings.metrics_token
    if token is not None:
        given = request.headers.get("authorization", "").encode()
        if not hmac.compare_digest(given, f"Bearer {token.get_secret_value()}".encode()):
            raise Unauthenticated("Give the metrics token as Authorization: Bearer …")
    _measure_pools(parts)
    await asyncio.to_thread(backups.look, parts.settings, now=wall_now())
    with contextlib.suppress(SQLAlchemyError):  # what this process counted is shown all the same
        async with parts.database.reading() as session:
            await measure(session)
            await nightly.look(parts.cache, session, now=wall_now())
    return Response(generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _measure_pools(parts: Runtime) -> None:
    for role, engine in (("app", parts.database.app), ("operator", parts.database.operator)):
        pool = cast("Any", engine.pool)
        if isinstance(pool, QueuePool):
            POOL_CONNECTIONS.labels(role, "used").set(pool.checkedout())
            POOL_CONNECTIONS.labels(role, "idle").set(pool.checkedin())
            POOL_CONNECTIONS.labels(role, "most").set(pool.size())
