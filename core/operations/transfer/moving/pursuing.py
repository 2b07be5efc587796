"""A follower at work: beats in the serving side's log say how far behind it is."""

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg

from core.operations.transfer.moving import marks
from core.operations.transfer.moving.changes import Shape
from core.operations.transfer.moving.errors import MoveError
from core.operations.transfer.moving.following import BEAT, Follower, Way
from core.operations.transfer.moving.rolling import Touched
from core.operations.transfer.moving.servers import Endpoint
from core.operations.transfer.moving.working import Work
from core.operations.transfer.tables import inventory, settle


class Pursuing(Work):
    """Keeps one side up to date with the other."""

    _at_work: Follower | None = None

    def _waits_for(self) -> str | None:
        follower = self._at_work
        return (follower.waits_for if follower else None) or super()._waits_for()

    def _follower(self, direction: str, touched: Touched | None) -> Follower:
        forward = direction == "forward"
        source, target = (self.ends.source, self.ends.target) if forward else (self.ends.target, self.ends.source)
        with settle(target.connect("shapes")) as connection:
            tables = inventory(connection)
        shapes = {
            table.name: Shape(
                name=table.name, types={one.name: one.type for one in table.columns}, key=table.key, order=number
            )
            for number, table in enumerate(tables)
        }
        name = self.journal.name if forward else self.journal.back
        way = Way(
            move_id=self.journal.id,
            direction=direction,
            source=source,
            target=target,
            slot=name,
            publication=name,
            shapes=shapes,
        )
        return Follower(way, touched=touched)

    @contextmanager
    def _following(self, follower: Follower, serving: Endpoint) -> Generator[None]:
        """Runs it, writes beats into the serving side's log, and shows how far it is."""
        ended = threading.Event()

        def beat() -> None:
            while not ended.is_set():
                with suppress(psycopg.Error, MoveError), serving.connect("beat") as connection:
                    while not ended.wait(0.5):
                        marks.emit(connection, f"{BEAT}{time.time():.3f}")
                ended.wait(1.0)

        thread = threading.Thread(target=beat, name="beat", daemon=True)
        thread.start()
        follower.start()
        self._at_work = follower
        try:
            with self._showing(lambda: self._followed(follower)):
                yield
        finally:
            ended.set()
            follower.stop()
            self._at_work = None
            thread.join(5)

    def _lag(self, follower: Follower) -> float | None:
        return None if follower.beat is None else max(0.0, time.time() - follower.beat)

    def _until(self, ready: Callable[[], bool], follower: Follower) -> None:
        while not ready():
            self._heed()
            if follower.failure:
                raise follower.failure
            time.sleep(0.1)

    def _followed(self, follower: Follower) -> dict[str, Any]:
        lag = self._lag(follower)
        return {
            "lagSeconds": round(lag, 1) if lag is not None else None,
            "lagBytes": max(0, follower.server_end - follower.position),
            "transactions": follower.transactions,
            "rows": follower.rows,
            "restarts": follower.restarts,
        }
