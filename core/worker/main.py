"""`cloudbill worker`: runs jobs until it is told to stop, through restarts and failovers of its database."""

import asyncio
import contextlib
import logging
import signal

from procrastinate import PsycopgConnector
from prometheus_client import start_http_server

from core.billing.payments.gateway import close_providers
from core.foundation.cache import create_cache
from core.foundation.database import Database
from core.foundation.runtime import Runtime
from core.foundation.settings import Settings, load_settings
from core.foundation.telemetry import configure_logs, log
from core.worker.app import assemble, worker_options
from core.worker.held import wait_while_held
from core.worker.tending import BEAT_EVERY, SILENT_FOR, tend

GRACE_SECONDS = 8
"""How long jobs under way may take to end after a request to stop; then they are given back to the queue."""
_POLL_SECONDS = 1
"""How soon a retry or a job whose notification was lost is seen."""
_LONGEST_PAUSE_SECONDS = 10

_LOG = log("worker")


def run() -> None:
    """Blocks until SIGTERM or SIGINT. Raises SettingsInvalid, UnsafeRole."""
    asyncio.run(serve(load_settings()))


async def serve(settings: Settings) -> None:
    """Opens what the jobs need and works; returns after SIGTERM or SIGINT once the jobs under way have ended."""
    runtime = Runtime(settings=settings, database=Database(settings), cache=create_cache(settings))
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    configure_logs(settings)
    # It logs every failed job with its whole error; ours says what an operator needs (app.py).
    logging.getLogger("procrastinate.worker").setLevel(logging.CRITICAL)
    logging.getLogger("procrastinate.worker.worker").setLevel(logging.WARNING)
    try:
        await runtime.database.following.settled(seconds=0)
        await runtime.database.refuse_unsafe_role()
        if settings.worker_metrics_port:
            start_http_server(settings.worker_metrics_port, addr=settings.host)
        await _work_until(stop, runtime)
    finally:
        await close_providers()
        await runtime.cache.aclose()
        await runtime.database.dispose()


async def _work_until(stop: asyncio.Event, runtime: Runtime) -> None:
    pause_seconds = 1
    stopping = asyncio.create_task(stop.wait())
    while not stop.is_set():
        started_at = asyncio.get_running_loop().time()
        working = asyncio.create_task(_work(runtime))
        await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            try:
                await working
            except Exception as error:
                _LOG.warning("worker_interrupted", error=type(error).__name__)
        if stop.is_set():
            break
        # The database went away: its return is waited for, here, so that nobody needs to start us again.
        if asyncio.get_running_loop().time() - started_at > _LONGEST_PAUSE_SECONDS:
            pause_seconds = 1
        _LOG.warning("worker_pauses", seconds=pause_seconds)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), pause_seconds)
        pause_seconds = min(_LONGEST_PAUSE_SECONDS, pause_seconds * 2)


async def _work(runtime: Runtime) -> None:
    """One worker's life: until it is cancelled, or its connection to the database fails, or the fence refuses it."""
    if not await runtime.database.following.settled(seconds=0):
        _LOG.warning("worker_waits_for_writes")
        await runtime.database.following.settled(seconds=float("inf"))
    await wait_while_held(runtime)
    connector = PsycopgConnector(
        conninfo=runtime.database.following.app_url,
        min_size=1,
        max_size=4,
        timeout=10,
        kwargs={"connect_timeout": 5, "application_name": "cloudbill-worker"},
    )
    with assemble().replace_connector(connector) as app:
        async with app.open_async():
            tending = asyncio.create_task(tend(runtime))
            try:
                await app.run_worker_async(
                    concurrency=runtime.settings.worker_concurrency,
                    fetch_job_polling_interval=_POLL_SECONDS,
                    update_heartbeat_interval=BEAT_EVERY.total_seconds(),
                    stalled_worker_timeout=SILENT_FOR.total_seconds(),
                    shutdown_graceful_timeout=GRACE_SECONDS,
                    **worker_options(runtime),
                )
            finally:
                tending.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await tending
