"""What a process holds for its whole life: settings, database and cache."""

from dataclasses import dataclass
from typing import cast

from fastapi import Request
from redis.asyncio import Redis

from core.foundation.database import Database
from core.foundation.settings import Settings


@dataclass(frozen=True, slots=True)
class Runtime:
    """Opened once by the entry point (API, worker, command) and handed down."""

    settings: Settings
    database: Database
    cache: Redis


def runtime(request: Request) -> Runtime:
    """The runtime of the API that answers `request`."""
    return cast("Runtime", request.app.state.runtime)
