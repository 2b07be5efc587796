"""One connection of the desk: opened when needed, never left inside a transaction, replaced when it breaks."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

import psycopg
from psycopg.pq import PipelineStatus, TransactionStatus

from core.billing.credits.booking import Connection, Outcome, Request, book
from core.foundation.clock import wall_now
from core.foundation.fence import is_fenced, is_held

ANSWER_SECONDS = 15
REPLAN_SECONDS = 10
"""How long plans are kept. Those made while a table was empty read all that a tenant has, once there is much."""

_OPTIONS = (
    "-c statement_timeout=10000 -c idle_in_transaction_session_timeout=10000 -c lock_timeout={lock_timeout} "
    # Plans of the writer, its triggers and foreign keys are kept and serve small and large tenants alike.
    "-c enable_seqscan=off -c plan_cache_mode=force_generic_plan -c jit=off"
)


class NotConnected(Exception):
    """The database cannot be reached; nothing was sent."""


class Fenced(Exception):
    """The write fence refused the group (`closed`), or is held by somebody; nothing was booked."""

    def __init__(self, closed: bool) -> None:
        super().__init__("closed" if closed else "held")
        self.closed = closed


class Lane:
    """Books groups one after the other as the application's role."""

    def __init__(self, where: str | Callable[[], str], *, lock_timeout_ms: int) -> None:
        self._where = where if callable(where) else lambda: where
        self._url = ""
        self._options = _OPTIONS.format(lock_timeout=lock_timeout_ms)
        self._connection: Connection | None = None
        self._replan_at = 0.0

    async def book(self, members: Sequence[Request]) -> list[Outcome]:
        """`booking.book` on this lane's connection. Raises Fenced, and NotConnected before anything was sent."""
        if self._connection is not None and self._url != self._where():
            await self.close()  # another server serves now
        connection = self._connection or await self._connect()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                if time.monotonic() >= self._replan_at:
                    await connection.execute("DISCARD PLANS")
                    self._replan_at = time.monotonic() + REPLAN_SECONDS
                return await book(connection, members, now=wall_now())
        except BaseException as error:
            await self._recover(connection)
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise asyncio.CancelledError from None
            if is_fenced(error) or is_held(error):
                raise Fenced(is_fenced(error)) from error
            raise

    async def warm_up(self) -> None:
        """Opens the connection ahead of the first group; a database that is not there yet is no error."""
        with suppress(NotConnected):
            await self._connect()

    async def close(self) -> None:
        """Closes the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _connect(self) -> Connection:
        self._url = self._where()
        try:
            connection = await psycopg.AsyncConnection.connect(
                self._url,
                autocommit=True,
                connect_timeout=5,
                application_name="cloudbill charges",
                options=self._options,
            )
        except psycopg.Error as error:
            raise NotConnected(str(error)) from error
        self._connection = connection
        return connection

    async def _recover(self, connection: Connection) -> None:
        """Ends the transaction that failed; a connection that is not idle then is not used again."""
        with suppress(psycopg.Error, TimeoutError):
            async with asyncio.timeout(2):
                if connection.info.pipeline_status == PipelineStatus.OFF:
                    await connection.execute("ROLLBACK")
        if (
            connection.info.pipeline_status != PipelineStatus.OFF
            or connection.info.transaction_status != TransactionStatus.IDLE
        ):
            await self.close()
