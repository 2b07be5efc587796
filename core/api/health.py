"""Health: alive, ready, and each group of routes. Losing the cache loses nothing, so a process without it is ready."""

import asyncio
from collections.abc import Awaitable
from pathlib import Path
from typing import Literal, cast

import psycopg
from alembic.script import ScriptDirectory
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError, SQLAlchemyError

import core.foundation.migrations as migrations
from core.foundation.runtime import Runtime, runtime
from core.foundation.telemetry import CACHE_UP, DATABASE_UP, log

router = APIRouter(tags=["health"])
_LOG = log("health")
_PATIENCE_SECONDS = 2
_HEAD = ScriptDirectory(str(Path(migrations.__file__).parent)).get_current_head()

Word = Literal["healthy", "unhealthy"]


class Health(BaseModel):
    """A process or a group of routes that answers."""

    status: Word
    service: str


class Checks(BaseModel):
    """Each part that is needed or used."""

    database: Word
    cache: Word
    migrations: Word


class Readiness(BaseModel):
    """`degraded`: the cache is down, limits are kept by each process alone; requests are served."""

    status: Literal["ready", "degraded", "not_ready"]
    checks: Checks


class Actuator(BaseModel):
    """The same in the words of Spring's actuator."""

    status: Literal["UP", "DOWN"]


@router.get("/health", operation_id="health")
async def health() -> Health:
    """The process is alive; says nothing about what it needs."""
    return Health(status="healthy", service="cloudbill")


@router.get("/auth/health", operation_id="auth_health")
async def auth_health() -> Health:
    """The group /auth is served."""
    return Health(status="healthy", service="auth")


@router.get("/billing/health", operation_id="billing_health")
async def billing_health() -> Health:
    """The groups /billing, /api/usage, /api/ledger and /operations are served."""
    return Health(status="healthy", service="billing")


@router.get("/payment/health", operation_id="payment_health")
async def payment_health() -> Health:
    """The groups /payment, /api/purchases and /webhooks are served."""
    return Health(status="healthy", service="payment")


@router.get("/notification/health", operation_id="notification_health")
async def notification_health() -> Health:
    """The group /notification is served."""
    return Health(status="healthy", service="notification")


@router.get("/readyz", operation_id="readyz", responses={503: {"model": Readiness}})
async def readyz(request: Request, response: Response) -> Readiness:
    """Whether requests can be served: database reachable and at the newest migration; the cache may be down."""
    found = await _readiness(runtime(request))
    if found.status == "not_ready":
        response.status_code = 503
    return found


@router.get("/api/v1/actuator/health", operation_id="actuator_health", responses={503: {"model": Actuator}})
async def actuator_health(request: Request, response: Response) -> Actuator:
    """Like /readyz."""
    return await actuator_readiness(request, response)


@router.get("/api/v1/actuator/health/liveness", operation_id="actuator_liveness")
async def actuator_liveness() -> Actuator:
    """Like /health."""
    return Actuator(status="UP")


@router.get(
    "/api/v1/actuator/health/readiness", operation_id="actuator_readiness", responses={503: {"model": Actuator}}
)
async def actuator_readiness(request: Request, response: Response) -> Actuator:
    """Like /readyz."""
    found = await readyz(request, response)
    return Actuator(status="DOWN" if found.status == "not_ready" else "UP")


async def _readiness(parts: Runtime) -> Readiness:
    database, newest = await _ask_database(parts)
    cache = await _ask_cache(parts)
    DATABASE_UP.set(database)
    CACHE_UP.set(cache)
    status = "not_ready" if not (database and newest) else "ready" if cache else "degraded"
    return Readiness(
        status=status, checks=Checks(database=_word(database), cache=_word(cache), migrations=_word(newest))
    )


async def _ask_database(parts: Runtime) -> tuple[bool, bool]:
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS), parts.database.nobody() as session:
            return True, await session.scalar(text("SELECT version_num FROM alembic_version")) == _HEAD
    except ProgrammingError:
        return True, False
    except (SQLAlchemyError, psycopg.Error, OSError) as error:
        _LOG.warning("database_unhealthy", error=type(error).__name__)
        return False, False


async def _ask_cache(parts: Runtime) -> bool:
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            ping = parts.cache.ping()  # pyright: ignore[reportUnknownMemberType]  # redis leaves **kwargs untyped
            return bool(await cast("Awaitable[bool]", ping))
    except (RedisError, OSError):
        return False


def _word(good: bool) -> Word:
    return "healthy" if good else "unhealthy"
