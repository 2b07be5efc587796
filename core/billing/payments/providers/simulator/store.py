"""The simulator's memory: one SQLite file. Committed work survives a kill of the process.

Everything runs on one event loop and no call waits inside a transaction, so one connection without locks is enough.
"""

import json
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

Json = dict[str, Any]


def child(found: Json, name: str) -> Json:
    """The object under `name`; an empty one where there is none."""
    return found.get(name) or {}


_SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    created INTEGER NOT NULL,
    payment_intent TEXT,
    body TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS objects_kind ON objects (kind, sequence);
CREATE INDEX IF NOT EXISTS objects_intent ON objects (payment_intent, kind);
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY,
    input TEXT NOT NULL,
    status INTEGER NOT NULL,
    body TEXT NOT NULL,
    request_id TEXT NOT NULL,
    created INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS deliveries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    event TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    state TEXT NOT NULL,
    due REAL NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    last_status INTEGER,
    last_error TEXT
);
CREATE INDEX IF NOT EXISTS deliveries_due ON deliveries (state, due, id);
CREATE TABLE IF NOT EXISTS controls (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS secrets (endpoint TEXT PRIMARY KEY, secret TEXT NOT NULL);
"""


class Answer(NamedTuple):
    """What was answered to an idempotency key."""

    input: str
    status: int
    body: str
    request_id: str


class Store:
    """Objects by id, answers by idempotency key, deliveries, and what the controls are set to."""

    def __init__(self, path: Path | None) -> None:
        """A file, or None for memory only."""
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)  # it holds the webhook secrets
        self.connection = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False)
        self.connection.row_factory = sqlite3.Row
        self.connection.execute("PRAGMA journal_mode = WAL")
        # Enough against a killed process; only a power failure may cost the last commits.
        self.connection.execute("PRAGMA synchronous = NORMAL")
        self.connection.executescript(_SCHEMA)

    @contextmanager
    def transaction(self) -> Generator[None]:
        """All or nothing."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.connection.execute("COMMIT")
        except BaseException:
            # A full disk ends the transaction by itself.
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            raise

    def find(self, kind: str, identifier: str) -> Json | None:
        row = self.connection.execute(
            "SELECT body FROM objects WHERE id = ? AND kind = ?", (identifier, kind)
        ).fetchone()
        return json.loads(row["body"]) if row else None

    def find_any(self, identifier: str) -> Json | None:
        row = self.connection.execute("SELECT body FROM objects WHERE id = ?", (identifier,)).fetchone()
        return json.loads(row["body"]) if row else None

    def save(self, found: Json) -> None:
        """Inserts or replaces; an object keeps its place in lists."""
        intent = found.get("payment_intent") if found["object"] != "event" else None
        self.connection.execute(
            "INSERT INTO objects (id, kind, created, payment_intent, body) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET body = excluded.body, payment_intent = excluded.payment_intent",
            (found["id"], found["object"], found["created"], intent, json.dumps(found)),
        )

    def delete(self, identifier: str) -> None:
        self.connection.execute("DELETE FROM objects WHERE id = ?", (identifier,))

    def select(
        self, kind: str, *, where: str = "1", values: tuple[Any, ...] = (), limit: int = 1_000_000, newest: bool = True
    ) -> list[Json]:
        """Objects of a kind in the order they were made. `where` is SQL of ours, never of a caller."""
        order = "DESC" if newest else "ASC"
        rows = self.connection.execute(
            f"SELECT body FROM objects WHERE kind = ? AND ({where}) ORDER BY sequence {order} LIMIT ?",  # noqa: S608
            (kind, *values, limit),
        )
        return [json.loads(row["body"]) for row in rows]

    def sequence(self, identifier: str) -> int | None:
        row = self.connection.execute("SELECT sequence FROM objects WHERE id = ?", (identifier,)).fetchone()
        return int(row["sequence"]) if row else None

    def find_answer(self, key: str) -> Answer | None:
        row = self.connection.execute(
            "SELECT input, status, body, request_id FROM answers WHERE key = ?", (key,)
        ).fetchone()
        return Answer(*row) if row else None

    def keep_answer(self, key: str, answer: Answer, *, now: int) -> None:
        """Kept for a day, as at Stripe."""
        self.connection.execute("DELETE FROM answers WHERE created < ?", (now - 86_400,))
        self.connection.execute("INSERT INTO answers VALUES (?, ?, ?, ?, ?, ?)", (key, *answer, now))

    def read_control(self, name: str) -> Any:
        row = self.connection.execute("SELECT value FROM controls WHERE name = ?", (name,)).fetchone()
        return json.loads(row["value"]) if row else None

    def write_control(self, name: str, value: Any) -> None:
        self.connection.execute("INSERT OR REPLACE INTO controls VALUES (?, ?)", (name, json.dumps(value)))

    def clear(self) -> None:
        """Forgets everything but the endpoints."""
        for table in ("answers", "deliveries", "controls"):
            self.connection.execute(f"DELETE FROM {table}")  # noqa: S608
        self.connection.execute("DELETE FROM objects WHERE kind <> 'webhook_endpoint'")

    def close(self) -> None:
        self.connection.close()
