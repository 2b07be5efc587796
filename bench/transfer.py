"""What moving an installation costs, part by part: copying by chunks, digests, Redis. `bench.move` compares it.

Each function works on servers that are there, as the logins that the clouds grant.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import psycopg
from redis import Redis

from core.operations.transfer import redis_state, schema
from core.operations.transfer.chunks import KeyRange, copy_in, copy_out, plan
from core.operations.transfer.digests import digest
from core.operations.transfer.tables import Connection, Table, inventory, settle


@dataclass(frozen=True, kw_only=True)
class Copied:
    """A copy by chunks: rows in, indexes and keys on, as an import and a move do it."""

    rows: int
    megabytes: float
    rows_seconds: float
    rebuild_seconds: float

    @property
    def seconds(self) -> float:
        """From the first row to the last index."""
        return self.rows_seconds + self.rebuild_seconds


@dataclass(frozen=True, kw_only=True)
class Compared:
    """Digests of both sides."""

    rows: int
    seconds: float
    equal: bool


def copy_by_chunks(
    source_url: str, target_url: str, target_owner_url: str, *, jobs: int = 2, binary: bool = True
) -> Copied:
    """From the source's mover to the target's, `jobs` chunks at a time; the target is empty and migrated."""
    with _opened(source_url) as source, _opened(target_owner_url) as owner:
        tables = inventory(source)
        size = source.execute("SELECT pg_database_size(current_database())").fetchone()
        ranges = [chunk for table in tables for chunk in plan(source, table)]
        schema.strip(owner, tables, source="a measurement")
    began = time.monotonic()
    waiting = sorted(ranges, key=lambda chunk: -chunk.rows)
    with ThreadPoolExecutor(jobs) as pool:
        shares = [pool.submit(_carry, source_url, target_url, waiting[n::jobs], binary) for n in range(jobs)]
        rows = sum(share.result() for share in shares)
    copied = time.monotonic()
    schema.rebuild(target_owner_url, jobs=jobs)
    rebuilt = time.monotonic()
    with _opened(target_owner_url) as owner:
        schema.forget(owner)
    return Copied(
        rows=rows,
        megabytes=(size[0] if size else 0) / 2**20,
        rows_seconds=copied - began,
        rebuild_seconds=rebuilt - copied,
    )


def compare_digests(source_url: str, target_url: str) -> Compared:
    """Both sides at once, as a verification does."""
    began = time.monotonic()
    with _opened(source_url) as source, _opened(target_url) as target, ThreadPoolExecutor(2) as pool:
        tables: list[Table] = inventory(source)
        asked = [pool.submit(digest, side, tables) for side in (source, target)]
        here, there = (one.result() for one in asked)
    rows = sum(here.rows(table.name) for table in tables)
    return Compared(rows=rows, seconds=time.monotonic() - began, equal=here == there)


def copy_redis(source: Redis, target: Redis) -> tuple[int, float, list[str]]:
    """Keys copied and compared, in how many seconds, and what differs."""
    began = time.monotonic()
    looked, wrong = redis_state.copy(source, target)
    return looked.copied, time.monotonic() - began, wrong


def _carry(source_url: str, target_url: str, chunks: list[KeyRange], binary: bool) -> int:
    rows = 0
    with _opened(source_url) as source, _opened(target_url) as target:
        for chunk in chunks:
            with target.transaction():
                rows += copy_in(target, chunk.table, copy_out(source, chunk, binary=binary), binary=binary)
    return rows


def _opened(url: str) -> Connection:
    return settle(psycopg.connect(url, autocommit=True))
