"""A wire that falls silent in the middle of a COPY stops nobody but who waits for it."""

import socket
import threading
import time
from contextlib import closing, suppress

import psycopg
import pytest
from psycopg import sql

from core.operations.transfer.chunks import pieces_of
from core.operations.transfer.moving.minding import break_line
from tests.support.twins import Place, Twins


def deaf_to_the_end(port: int) -> int:
    """A way to that server on which nobody hears that it closed the line."""
    listener = socket.create_server(("127.0.0.1", 0))

    def pass_on(given: socket.socket, taker: socket.socket) -> None:
        with suppress(OSError):
            while some := given.recv(65_536):
                taker.sendall(some)

    def serve() -> None:
        with listener:
            near, _ = listener.accept()
        with near, socket.create_connection(("127.0.0.1", port)) as far:
            back = threading.Thread(target=pass_on, args=(far, near), daemon=True)
            back.start()
            pass_on(near, far)
            back.join(10)

    threading.Thread(target=serve, daemon=True).start()
    return listener.getsockname()[1]


def test_a_copy_whose_end_is_never_heard_leaves_other_threads_at_work(twins: Twins, pair: tuple[Place, Place]) -> None:
    source = pair[0]
    url = source.url("mover").replace(f":{source.server.port}/", f":{deaf_to_the_end(source.server.port)}/")
    ticks: list[float] = []
    stopping = threading.Event()

    def tick() -> None:
        while not stopping.wait(0.05):
            ticks.append(time.monotonic())

    with closing(psycopg.connect(url, autocommit=True)) as line, source.connect("admin") as admin:
        ticking = threading.Thread(target=tick)
        ticking.start()
        # As who minds a line does once it is known to be dead.
        breaking = threading.Timer(3, break_line, [line.fileno()])
        breaking.start()
        rows = "SELECT repeat('x', 300000) FROM generate_series(1, 2) UNION ALL SELECT pg_sleep(60)::text"
        pieces = pieces_of(line, sql.SQL("COPY ({}) TO STDOUT").format(sql.SQL(rows)))
        try:
            assert len(next(pieces)) > 250_000
            admin.execute("SELECT pg_terminate_backend(%s)", [line.info.backend_pid])
            began = time.monotonic()
            with pytest.raises(psycopg.Error, match="terminating connection"):
                list(pieces)
            assert len([at for at in ticks if at > began]) > 20, "the whole process stood still"
        finally:
            stopping.set()
            ticking.join()
            breaking.cancel()
