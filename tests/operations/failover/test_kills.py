"""The command killed at its lines, under load: it goes on where it stopped, and never do two servers take writes."""

import json
import random
import subprocess
import sys
import time
from contextlib import ExitStack

import pytest

from core.foundation import fence
from core.operations.failover.errors import NotReady
from core.operations.failover.here import HOME
from tests.support.pair import Pair, Writer
from tests.support.servers import ROOT

LINES = 26
"""How often the journal of a failover is about to be written, or was just written."""
IN_THE_SUITE = (7, 10, 13, 18)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    count = metafunc.config.getoption("--proof-count")
    lines, seed = list(range(1, LINES + 1)), metafunc.config.getoption("--proof-seed")
    chosen = random.Random(seed).sample(lines, min(count, LINES)) if count else list(IN_THE_SUITE)
    metafunc.parametrize("line", chosen)


def test_killed_there_it_goes_on_and_never_two_take_writes(pair: Pair, line: int) -> None:
    given = {name: str(value) for name, value in pair._given.items()}
    with ExitStack() as load:
        olds = [load.enter_context(Writer(pair.url(HOME))) for _ in range(2)]
        new = load.enter_context(Writer(pair.url("east")))
        _wait(lambda: all(len(one.seen.accepted) > 20 for one in olds))
        killed = subprocess.run(
            [sys.executable, "-m", "tests.support.failover_killed", json.dumps(given), str(line)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert killed.returncode in (-9, 0), killed.stderr
        time.sleep(0.1)
        if line == LINES:  # nothing was left to do
            with pytest.raises(NotReady, match="east has no standby"):
                pair.failover().run()
        elif killed.returncode == -9:
            pair.failover().run()
        _wait(lambda: len(new.seen.accepted) > 20)
        _wait(lambda: all(one.seen.refused > 5 for one in olds))
    accepted = [write for one in olds for write in one.seen.accepted]
    assert max(began for _, began, _ in accepted) <= min(ended for *_, ended in new.seen.accepted)
    with pair.connect("east", "owner") as connection:
        names = [row[0] for row in connection.execute("SELECT id FROM users WHERE email LIKE '%@load.test'")]
        assert fence.standing(connection).is_open
        holds = connection.execute("SELECT count(*) FROM worker_holds").fetchone()
    assert sorted(names) == sorted([name for name, *_ in accepted] + [name for name, *_ in new.seen.accepted])
    assert holds == (1,)
    with pair.connect(HOME, "owner") as connection:
        assert fence.standing(connection).state == "closed"
        assert fence.refusals(connection) == sum(one.seen.refused for one in olds)


def _wait(condition: object) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.02)
