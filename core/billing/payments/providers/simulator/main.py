"""Starts and stops the simulator: blocking for the command, as a context for tests."""

import asyncio
import signal
import sqlite3
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
from granian.constants import Interfaces
from granian.server.embed import Server

from core.billing.payments.providers.simulator import endpoints
from core.billing.payments.providers.simulator.app import create_app
from core.billing.payments.providers.simulator.store import Store
from core.foundation.embedded.ports import free_port, is_free
from core.foundation.errors import CloudBillError

DEFAULT_PORT = 12111
FILE_NAME = "simulator.sqlite3"
_START_SECONDS = 20.0


class SimulatorNotStarted(CloudBillError):
    """The text says why and what to do, in one line."""

    code = "simulator_not_started"
    title = "The Stripe simulator did not start"


def serve(
    host: str = "127.0.0.1",
    port: int = DEFAULT_PORT,
    *,
    data_dir: Path | None = None,
    webhook_url: str | None = None,
    webhook_secret: str | None = None,
    public_url: str | None = None,
) -> None:
    """Serves until SIGINT or SIGTERM. Raises SimulatorNotStarted. Without `data_dir` it forgets all at its end."""
    store = _open(host, port, data_dir, webhook_url, webhook_secret)

    async def run() -> None:
        server = _server(store, host, port, public_url)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, server.stop)
        await server.serve()

    asyncio.run(run())


class Simulator:
    """A simulator in a thread, on a free port unless told, until the block ends."""

    def __init__(
        self,
        *,
        data_dir: Path | None = None,
        webhook_url: str | None = None,
        webhook_secret: str | None = None,
        port: int | None = None,
    ) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._options = (data_dir, webhook_url, webhook_secret)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: Server | None = None
        self._thread = threading.Thread(target=self._run, name="stripe-simulator", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        deadline = time.monotonic() + _START_SECONDS
        with httpx.Client(trust_env=False) as client:
            while time.monotonic() < deadline and self._thread.is_alive():
                with suppress(httpx.HTTPError):
                    if client.get(f"{self.url}/health").is_success:
                        return self
                time.sleep(0.02)
        raise SimulatorNotStarted(f"The Stripe simulator did not start on port {self.port}.")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._loop is not None and self._server is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._server.stop)
        self._thread.join(_START_SECONDS)

    def control(self, path: str, **body: Any) -> Any:
        """POSTs to /_simulator/`path` (see `controls.py`) and gives the answer. Raises httpx.HTTPStatusError."""
        response = httpx.post(f"{self.url}/_simulator/{path}", json=body, trust_env=False, timeout=60)
        return response.raise_for_status().json()

    def read(self, path: str = "") -> Any:
        """GETs /_simulator/`path`."""
        response = httpx.get(f"{self.url}/_simulator/{path}".rstrip("/"), trust_env=False)
        return response.raise_for_status().json()

    def _run(self) -> None:
        data_dir, webhook_url, webhook_secret = self._options
        store = _open("127.0.0.1", self.port, data_dir, webhook_url, webhook_secret)

        async def run() -> None:
            self._loop = asyncio.get_running_loop()
            self._server = _server(store, "127.0.0.1", self.port, None)
            await self._server.serve()

        asyncio.run(run())


def _open(host: str, port: int, data_dir: Path | None, webhook_url: str | None, webhook_secret: str | None) -> Store:
    # granian would share a taken port silently.
    try:
        free = is_free(port, host)
    except OSError as error:
        raise SimulatorNotStarted(f"The Stripe simulator cannot listen on {host}:{port}: {error.strerror}.") from None
    if not free:
        raise SimulatorNotStarted(f"Port {port} is taken. Set STRIPE_PORT to another for the Stripe simulator.")
    try:
        store = Store(data_dir / FILE_NAME if data_dir else None)
        endpoints.configure(store, webhook_url, webhook_secret, now=int(time.time()))
    except (OSError, sqlite3.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise SimulatorNotStarted(f"The Stripe simulator cannot use {data_dir}: {reason}.") from None
    return store


def _server(store: Store, host: str, port: int, public_url: str | None) -> Server:
    return Server(
        create_app(store, public_url=public_url),
        address=host,
        port=port,
        interface=Interfaces.ASGI,
        websockets=False,
        log_enabled=False,
    )
