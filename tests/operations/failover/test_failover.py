"""Failover between two real servers: nobody writes in two places, and what was acknowledged is there."""

import contextlib
import json
import os
import signal
import socket
import time
from contextlib import ExitStack, suppress
from typing import Any

import psycopg
import pytest

from core.foundation import fence
from core.foundation.embedded import postgres_data as files
from core.operations.failover.errors import NotCaughtUp, NothingToGoBackTo, NotReady
from core.operations.failover.grounds import HereGround
from core.operations.failover.here import HOME
from core.operations.failover.planning import plan
from core.operations.failover.watched import WatchedHere
from core.operations.recovery import looking
from tests.support.pair import Pair, Writer


def users(pair: Pair, name: str) -> list[Any]:
    with pair.connect(name, "owner") as connection:
        return [row[0] for row in connection.execute("SELECT id FROM users WHERE email LIKE '%@load.test'").fetchall()]


def until(condition: Any, *, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.02)


def test_under_load_nothing_is_lost_none_doubled_and_each_refused_try_is_counted(pair: Pair) -> None:
    with pair.connect(HOME, "owner") as old:
        before = fence.refusals(old)
    with ExitStack() as load:
        writers = [load.enter_context(Writer(pair.url(HOME))) for _ in range(3)]
        after = load.enter_context(Writer(pair.url("east")))
        until(lambda: all(len(one.seen.accepted) > 50 for one in writers))
        done = pair.failover().run()
        until(lambda: all(one.seen.refused > 20 for one in writers))
        until(lambda: len(after.seen.accepted) > 50)
    assert done["steps"]["caught_up"]["result"]["lost_bytes"] == 0
    assert [one.seen.failed for one in writers] == [0, 0, 0]  # the old primary is alive, and says no
    with pair.connect(HOME, "owner") as old:
        assert fence.refusals(old) - before == sum(one.seen.refused for one in writers)
        standing = fence.standing(old)
    assert (standing.state, standing.successor) == ("closed", pair.servers.endpoint("east"))
    accepted = [write for one in writers for write in one.seen.accepted]
    there = users(pair, "east")
    assert {name for name, *_ in accepted} <= set(there)
    assert len(there) == len(set(there)) == len(accepted) + len(after.seen.accepted)
    assert max(began for _, began, _ in accepted) <= min(ended for *_, ended in after.seen.accepted)
    with pair.connect("east", "app") as new:
        assert fence.standing(new).epoch == standing.epoch + 1
        holds = new.execute("SELECT reason, nothing_lost FROM open_worker_holds()").fetchall()
    assert [nothing_lost for _, nothing_lost in holds] == [True]
    assert holds[0][0].startswith("failed over from home: ")
    kind, document = pair.ask("east", "SELECT kind, document FROM recovery_evidence ORDER BY number DESC LIMIT 1")
    assert kind == "failover"
    assert json.loads(document)["steps"]["fenced"]["result"]["how"] == "database"


def test_back_makes_the_old_primary_a_standby_and_goes_back_without_loss(pair: Pair) -> None:
    pair.failover().run()
    with pair.connect(HOME, "owner") as old, suppress(psycopg.Error):
        old.execute("SELECT create_user(gen_random_uuid(), 'never@load.test', 'W', 'x')")
    with Writer(pair.url("east")) as writer:
        until(lambda: len(writer.seen.accepted) > 20)
        pair.failover().back()
        until(lambda: writer.seen.refused > 5)
    assert set(users(pair, HOME)) == {name for name, *_ in writer.seen.accepted}
    with pair.connect(HOME, "app") as back:
        assert fence.standing(back).is_open
        back.execute("SELECT create_user(gen_random_uuid(), 'again@load.test', 'W', 'x')")
    assert pair.servers.primary() == HOME
    assert not pair.servers.is_standby(HOME)


def test_where_the_old_primary_cannot_be_rewound_it_is_copied_anew_and_keeps_its_port(pair: Pair) -> None:
    home = pair.servers.endpoint(HOME)
    pair.failover().run()
    stumbling = pair.servers.data("east") / ".s.PGSQL.1"
    with socket.socket(socket.AF_UNIX) as here, contextlib.chdir(stumbling.parent):
        here.bind(stumbling.name)  # pg_rewind cannot read it
    said: list[str] = []
    pair.servers.rebuild(HOME, say=said.append)
    assert said[-1].startswith("copied anew into ")
    assert pair.servers.endpoint(HOME) == home
    pair.until_streaming(HOME, "east")


def test_a_primary_that_died_is_cut_off_and_only_follows_if_somebody_starts_it_again(pair: Pair) -> None:
    pair.kill(HOME)
    done = pair.failover().run()
    assert done["steps"]["fenced"]["result"]["how"] == "cut off"
    with pair.connect("east", "app") as new:
        new.execute("SELECT create_user(gen_random_uuid(), 'there@load.test', 'W', 'x')")
        assert new.execute("SELECT nothing_lost FROM open_worker_holds()").fetchall() == [(False,)]
    pair.servers.start(HOME)
    with pair.connect(HOME, "owner") as old, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        old.execute("SELECT create_user(gen_random_uuid(), 'never@load.test', 'W', 'x')")


def test_a_primary_that_hangs_is_cut_off(pair: Pair) -> None:
    os.kill(pair.pid(HOME), signal.SIGSTOP)
    done = pair.failover().run()
    assert done["steps"]["fenced"]["result"]["how"] == "cut off"
    assert files.find_server(pair.servers.data(HOME)) is None
    with pair.connect("east", "app") as new:
        assert fence.standing(new).is_open


def test_a_standby_that_lacks_something_is_not_promoted_and_the_primary_serves_again(pair: Pair) -> None:
    superuser = f"postgresql://postgres:{pair.servers.secrets.find('postgres-postgres')}@"
    with psycopg.connect(f"{superuser}{pair.servers.endpoint('east')}/postgres", autocommit=True) as east:
        east.execute("SELECT pg_wal_replay_pause()")
        with pair.connect(HOME, "app") as old:
            old.execute("SELECT create_user(gen_random_uuid(), 'late@load.test', 'W', 'x')")
        with pytest.raises(NotCaughtUp, match="east does not have all that home has"):
            pair.failover(catch_up_seconds=0.5).run()
        with pair.connect(HOME, "app") as old:
            now = fence.standing(old)
            old.execute("SELECT create_user(gen_random_uuid(), 'goes-on@load.test', 'W', 'x')")
        assert (now.state, now.epoch) == ("open", 3)
        east.execute("SELECT pg_wal_replay_resume()")
    assert pair.servers.is_standby("east")
    pair.failover().run()
    assert len(users(pair, "east")) == 2


def test_writers_that_do_not_end_are_named_and_nothing_is_changed(pair: Pair) -> None:
    with psycopg.connect(pair.url(HOME)) as writer:
        writer.execute("SELECT create_user(gen_random_uuid(), 'slow@load.test', 'W', 'x')")
        with pytest.raises(NotReady, match=f"process {writer.info.backend_pid} of cloudbill_app"):
            pair.failover(writers_seconds=0.2).run()
    with pair.connect(HOME, "app") as old:
        assert (fence.standing(old).state, fence.standing(old).epoch) == ("open", 1)


def test_the_plan_says_what_is_not_ready_and_changes_nothing(pair: Pair) -> None:
    ready = plan(HereGround(pair.settings()))
    assert ready.is_ready
    assert (ready.primary, ready.standby, ready.answers) == (HOME, "east", True)
    assert ready.loss == "nothing: writes are closed first, and the standby is waited for"
    # What the console shows: the worker has no mover's login, and sees the same.
    seen = looking.planned(WatchedHere(pair.settings(database_mover_url=None)))
    assert (seen["is_ready"], seen["standby"], seen["loss"]) == (True, "east", ready.loss)
    assert [check["holds"] for check in seen["checks"]] == [True, True, True, True]
    missing = plan(HereGround(pair.settings()), to="west")
    assert [check.name for check in missing.checks if not check.holds] == ["standby"]
    with pytest.raises(NotReady, match=r"home has no standby west; on this machine `cloudbill standby create NAME`"):
        pair.failover().run(to="west")
    wrong = plan(HereGround(pair.settings(database_mover_url=pair.url(HOME, "mover").replace("@", "x@"))))
    assert [check.name for check in wrong.checks if check.is_needed and not check.holds][0] == "mover"
    pair.servers.stop("east")
    stopped = plan(HereGround(pair.settings()))
    assert [check.detail for check in stopped.checks if check.name == "standby"] == [
        "east in this machine: does not answer"
    ]
    assert stopped.loss == "cannot be said while it would be refused (standby, standby_answers)"
    with pair.connect(HOME, "mover") as mover:
        fence.close(mover, reason="a move", successor="10.0.0.9:5432")
    closed = plan(HereGround(pair.settings()))
    assert not closed.is_ready
    assert "10.0.0.9:5432 serves now" in closed.checks[0].detail
    with pytest.raises(NothingToGoBackTo):
        pair.failover().back()
