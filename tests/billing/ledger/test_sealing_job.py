"""The worker seals what was committed, and expires what is over, by itself."""

import asyncio
from datetime import timedelta

from sqlalchemy import text

from core.foundation.database import Database
from tests.support.books import open_books
from tests.support.processes import Process


async def test_the_worker_seals_and_drains(database: Database, worker: Process) -> None:
    books = await open_books(database)
    await books.top_up(5_000_000)
    await books.hold(1_000_000, expires_in=timedelta(milliseconds=1))
    for _ in range(300):
        async with database.reading() as session:
            sealed = await session.scalar(text("SELECT count(*) FROM ledger_blocks"))
            state = await session.scalar(text("SELECT state FROM holds"))
        if (sealed, state) == (1, "expired"):
            break
        await asyncio.sleep(0.1)
    assert (sealed, state) == (1, "expired"), worker.last_words()
