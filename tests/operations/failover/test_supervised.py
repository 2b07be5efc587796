"""A failover under a supervisor: it keeps up whoever serves and follows, and disturbs nothing."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import psycopg
import pytest

from core.cli.supervisor.beside import Beside
from core.cli.supervisor.home import Home
from core.cli.supervisor.parts import Embedded, Part
from core.cli.supervisor.reporting import Progress
from core.cli.supervisor.state import PartState, State
from core.cli.supervisor.supervision import Supervision, stop_all
from core.foundation.embedded import postgres_data as files
from core.operations.failover.here import HOME
from tests.support.pair import Pair


class Supervised:
    """What `make up` keeps of the servers, with the real parts."""

    def __init__(self, pair: Pair) -> None:
        self.pair, self.home = pair, Home(pair.home)
        self.home.create()
        pair.servers.stop(HOME)
        server = pair.servers.server(HOME)
        beside = Beside(self.home, pair.settings(), kept=server.data_dir)
        self.parts: list[Part] = [Embedded("database", "PostgreSQL", server=server), beside]
        for part in self.parts:
            part.start()
        self.stop = threading.Event()
        state = State("running", {part.name: PartState(part.url, True) for part in self.parts})
        supervision = Supervision(self.home, self.parts, Progress(), self.stop, state=state)
        self.thread = threading.Thread(target=supervision.watch)
        self.thread.start()

    def end(self) -> None:
        self.stop.set()
        self.thread.join(60)
        stop_all(self.home, self.parts, Progress())


@pytest.fixture
def supervised(pair: Pair) -> Iterator[Supervised]:
    made = Supervised(pair)
    pair.until_streaming()
    try:
        yield made
    finally:
        made.end()
        assert [name for name in pair.servers.names() if pair.servers.runs(name)] == []


def until_writable(pair: Pair, name: str, email: str) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        with suppress(psycopg.Error), pair.connect(name) as connection:
            connection.execute("SELECT create_user(gen_random_uuid(), %s, 'W', 'x')", [email])
            return
        time.sleep(0.05)
    raise AssertionError(f"{name} takes no writes")


def until_another(pair: Pair, name: str, old: int) -> int:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        found = files.find_server(pair.servers.data(name))
        if found and found.pid != old:
            return found.pid
        time.sleep(0.05)
    raise AssertionError(f"nobody started {name} again")


def test_who_serves_since_a_failover_is_kept_up_and_the_way_back_is_taken_over_as_it_runs(
    supervised: Supervised, pair: Pair
) -> None:
    done: dict[str, Any] = pair.failover().run()
    assert done["given"]["to"] == "east"
    until_writable(pair, "east", "one@load.test")
    killed = pair.pid("east")
    os.kill(killed, signal.SIGKILL)
    until_another(pair, "east", killed)
    until_writable(pair, "east", "two@load.test")
    pair.failover().back()
    serving = pair.pid(HOME)
    until_writable(pair, HOME, "three@load.test")
    database = supervised.parts[0]
    end = time.monotonic() + 30
    while not database.running:
        assert time.monotonic() < end
        time.sleep(0.05)
    assert pair.pid(HOME) == serving == database.pid  # taken over, and not started anew
    os.kill(serving, signal.SIGKILL)
    until_another(pair, HOME, serving)
    until_writable(pair, HOME, "four@load.test")
    there = pair.ask(HOME, "SELECT count(*) FROM users WHERE email LIKE '%@load.test'")
    assert there == (4,)


def test_a_standby_that_was_stopped_by_hand_rests_and_one_that_died_is_started_again(
    supervised: Supervised, pair: Pair
) -> None:
    killed = pair.pid("east")
    os.kill(killed, signal.SIGKILL)
    until_another(pair, "east", killed)
    pair.servers.stop("east", rests=True)
    assert pair.servers.due(kept=pair.servers.data(HOME)) == []
    pair.servers.start("east")
    pair.servers.stop("east")
    assert pair.servers.due(kept=pair.servers.data(HOME)) == ["east"]
