"""The queue of webhook deliveries, and the controls that shape it. Sending is in `webhooks.py`."""

import random
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from core.billing.payments.providers.simulator.store import Json, Store

Order = Literal["sent", "reversed", "shuffled"]

MAX_ATTEMPTS = 20
_RETRY_SECONDS = (1, 1, 2, 4, 8, 15, 30)
_QUIET_SECONDS = 0.3
_CONTROL = "webhooks"


class WebhookControls(BaseModel):
    """How webhooks leave: each `delay_seconds` late and `copies` times; the next `drop_next` events, and those of
    `drop_types`, never; none while `paused`. Another `order` than sent gathers them until 0.3 s pass without a new one,
    then sends them reversed or shuffled (by `seed`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    delay_seconds: float = Field(0.0, ge=0, le=86_400)
    copies: int = Field(1, ge=1, le=20)
    drop_next: int = Field(0, ge=0)
    drop_types: tuple[str, ...] = ()
    order: Order = "sent"
    seed: int = 0
    paused: bool = False


def read_controls(store: Store) -> WebhookControls:
    return WebhookControls.model_validate(store.read_control(_CONTROL) or {})


def write_controls(store: Store, controls: WebhookControls) -> None:
    store.write_control(_CONTROL, controls.model_dump())


def enqueue(store: Store, event: Json, endpoints: list[Json], *, now: float) -> None:
    """A delivery for each endpoint that listens, shaped by the controls."""
    controls = read_controls(store)
    dropped = controls.drop_next > 0 or event["type"] in controls.drop_types
    if controls.drop_next > 0:
        write_controls(store, controls.model_copy(update={"drop_next": controls.drop_next - 1}))
    for endpoint in endpoints:
        for _ in range(1 if dropped else controls.copies):
            store.connection.execute(
                "INSERT INTO deliveries (event, endpoint, state, due) VALUES (?, ?, ?, ?)",
                (event["id"], endpoint["id"], "dropped" if dropped else "pending", now + controls.delay_seconds),
            )


def find_due(store: Store, *, now: float, limit: int = 20) -> list[Json]:
    """What should be sent now, in the order that the controls want."""
    due_at = next_due(store)
    if due_at is None or due_at > now:
        return []
    controls = read_controls(store)
    rows = _rows(
        store,
        "SELECT * FROM deliveries WHERE state = 'pending' AND due <= ? ORDER BY id LIMIT ?",
        (now, limit if controls.order == "sent" else 1_000_000),
    )
    return _arrange(rows, controls.order, controls.seed)


def next_due(store: Store) -> float | None:
    """The instant at which something will be due."""
    controls = read_controls(store)
    if controls.paused:
        return None
    row = store.connection.execute(
        "SELECT min(due) AS first, max(due) FILTER (WHERE attempts = 0) AS last FROM deliveries WHERE state = 'pending'"
    ).fetchone()
    if row["first"] is None or controls.order == "sent" or row["last"] is None:
        return row["first"]
    return row["last"] + _QUIET_SECONDS


def list_all(store: Store, *, state: str | None = None, limit: int = 1000) -> list[Json]:
    """Newest first, with the event's type."""
    return _rows(
        store,
        "SELECT d.*, json_extract(o.body, '$.type') AS type FROM deliveries d LEFT JOIN objects o ON o.id = d.event"
        " WHERE ?1 IS NULL OR d.state = ?1 ORDER BY d.id DESC LIMIT ?2",
        (state, limit),
    )


def list_pending(store: Store, *, order: Order, copies: int, seed: int) -> list[Json]:
    """Everything pending, whatever its instant, `copies` times over and in the order asked for."""
    rows = _rows(store, "SELECT * FROM deliveries WHERE state = 'pending' ORDER BY id", ())
    return _arrange(rows * copies, order, seed)


def add(store: Store, event_id: str, endpoint_id: str, *, now: float) -> Json:
    """One more delivery of an event, whatever the controls say: the caller sends it."""
    cursor = store.connection.execute(
        "INSERT INTO deliveries (event, endpoint, state, due) VALUES (?, ?, 'given', ?)", (event_id, endpoint_id, now)
    )
    return _rows(store, "SELECT * FROM deliveries WHERE id = ?", (cursor.lastrowid,))[0]


def record(store: Store, delivery: Json, *, status: int | None, error: str | None, now: float) -> None:
    """The outcome of an attempt: delivered on any 2xx, else tried again later, given up in the end."""
    row = store.connection.execute("SELECT attempts FROM deliveries WHERE id = ?", (delivery["id"],)).fetchone()
    if row is None:
        return  # reset meanwhile
    attempts = int(row["attempts"]) + 1
    if status is not None and 200 <= status < 300:
        state, due = "delivered", now
    elif attempts < MAX_ATTEMPTS and delivery["state"] == "pending":
        state, due = "pending", now + _RETRY_SECONDS[min(attempts, len(_RETRY_SECONDS)) - 1]
    else:
        state, due = "failed", now
    store.connection.execute(
        "UPDATE deliveries SET state = ?, due = ?, attempts = ?, last_status = ?, last_error = ? WHERE id = ?",
        (state, due, attempts, status, error, delivery["id"]),
    )


def _arrange(rows: list[Json], order: Order, seed: int) -> list[Json]:
    if order == "reversed":
        rows.reverse()
    elif order == "shuffled":
        random.Random(seed).shuffle(rows)  # noqa: S311  (an order for a test, not a secret)
    return rows


def _rows(store: Store, statement: str, values: tuple[Any, ...]) -> list[Json]:
    return [dict(row) for row in store.connection.execute(statement, values)]
