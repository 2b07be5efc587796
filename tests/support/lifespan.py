"""An ASGI application in this process, with its start and its end, as a server would run it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx


@asynccontextmanager
async def started(application: Any) -> AsyncGenerator[None]:
    """Runs the lifespan protocol in a task of its own, as a server does, so that its task groups may span it."""
    inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    outbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}
    task = asyncio.create_task(application(scope, inbox.get, outbox.put))

    async def step(name: str) -> None:
        await inbox.put({"type": f"lifespan.{name}"})
        answered = asyncio.create_task(outbox.get())
        await asyncio.wait({answered, task}, return_when=asyncio.FIRST_COMPLETED)
        if not answered.done():
            answered.cancel()
            await task
            raise RuntimeError(f"the application ended before its {name} was complete")
        message = answered.result()
        if message["type"] != f"lifespan.{name}.complete":
            await task
            raise RuntimeError(message.get("message") or f"{name} failed")

    await step("startup")
    try:
        yield
    finally:
        await step("shutdown")
        await task


def client_of(application: Any, **arguments: Any) -> httpx.AsyncClient:
    """A client that calls the application without a network. An error it did not foresee is raised here."""
    transport = httpx.ASGITransport(app=application)
    return httpx.AsyncClient(transport=transport, base_url="http://api.test", **arguments)
