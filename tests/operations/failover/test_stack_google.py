"""The same steps for a stack on Google Cloud: the fake answers for Cloud SQL and DNS, the databases are real."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from core.foundation import fence
from core.operations.clouds import gcp_instances
from core.operations.clouds import google as asking
from core.operations.clouds.base import Place, Standbys
from core.operations.clouds.dns_gcp import GcpDns
from core.operations.clouds.errors import CloudRefused
from core.operations.clouds.gcp_standbys import GcpStandbys
from core.operations.clouds.local_standbys import LocalStandbys
from core.operations.failover.errors import NotReady, PrimaryNotFenced, UnderWay
from core.operations.failover.grounds import HereGround, StackGround
from core.operations.failover.here import HOME
from core.operations.failover.planning import plan
from core.operations.failover.running import Failover
from tests.operations.clouds.gcp.test_dns import HOST, Zones, addresses
from tests.operations.failover.test_failover import until
from tests.support.cloud_sql import DATABASE, PROJECT, REGION, CloudSql
from tests.support.google import Call, Google, Refused, fake
from tests.support.google_metrics import Metrics
from tests.support.pair import Pair, Writer

REPLICA = "cloudbill-replica-1"
AWAY = "us-east1"
NOT_ALLOWED = Refused(403, "The client is not authorized to make this request.", reason="notAuthorized")


class OnThePair(StackGround):
    """Cloud SQL's addresses lead to the two real servers: those of the old place to `home`, the others to `east`."""

    pair: Pair
    sql: CloudSql
    down = False

    @contextmanager
    def mover(self, endpoint: str) -> Generator[psycopg.Connection[Any]]:
        instance = next(
            one for one in self.sql.instances.values() if one["ipAddresses"][0]["ipAddress"] == endpoint.split(":")[0]
        )
        name = "east" if instance["region"] == AWAY else HOME
        if name == HOME and self.down:
            raise psycopg.OperationalError("connection timeout expired")
        with self.pair.connect(name, "mover") as connection:
            yield connection


class Stack:
    """What the fake makes and promotes happens to the real servers."""

    def __init__(self, google: Google, pair: Pair) -> None:
        self.google, self.pair, self.sql = google, pair, CloudSql(google)
        self.zones = Zones(google)
        Metrics(google)
        self.sql.add(replicaNames=[REPLICA])
        self.sql.add(
            REPLICA, region=AWAY, instanceType="READ_REPLICA_INSTANCE", masterInstanceName=f"{PROJECT}:{DATABASE}"
        )
        for method, effect in (("promoteReplica", self._promoted), ("insert", self._made)):
            self._then(f"sql.instances.{method}", effect)

    def _then(self, method: str, effect: Any) -> None:
        usual = self.google.answers[method]

        def answer(call: Call) -> dict[str, Any]:
            operation = usual(call)
            effect(call)
            return operation

        self.google.answers[method] = answer

    def _promoted(self, call: Call) -> None:
        away = self.sql.instances[call.path["instance"]]["region"] == AWAY
        LocalStandbys(self.pair.settings()).promote("east" if away else HOME)

    def _made(self, call: Call) -> None:
        HereGround(self.pair.settings()).switch(self.pair.servers.endpoint("east"), epoch=1)
        self.pair.servers.rebuild(HOME)

    def ground(self) -> OnThePair:
        place = Place(cloud="gcp", region=REGION, project=PROJECT)

        def standbys(place: Place, database: str) -> Standbys:
            return GcpStandbys(place, database, poll_seconds=0)

        ground = OnThePair(
            self.pair.settings(),
            stack="prod-gcp",
            place=place,
            endpoint="10.20.0.3:5432",
            outputs={},
            standbys=standbys(place, DATABASE),
            others=standbys,
            dns=GcpDns(place, poll_seconds=0),
            record=HOST,
            leads_to="192.0.2.9",
        )
        ground.pair, ground.sql = self.pair, self.sql
        return ground


@pytest.fixture
def stack(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    with fake() as google:
        for name, value in google.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(asking, "sleep", lambda seconds: None)
        monkeypatch.setattr(gcp_instances, "sleep", lambda seconds: None)
        yield Stack(google, pair)


def users(pair: Pair, name: str) -> set[Any]:
    with pair.connect(name, "owner") as connection:
        return {row[0] for row in connection.execute("SELECT id FROM users WHERE email LIKE '%@load.test'")}


def test_planned_run_and_back_by_a_replica_that_is_made_where_the_old_primary_stood(stack: Stack, pair: Pair) -> None:
    found = plan(stack.ground())
    assert (found.is_ready, found.primary, found.standby, found.answers) == (True, DATABASE, REPLICA, True)
    assert stack.google.changes == []
    with Writer(pair.url(HOME)) as old, Writer(pair.url("east")) as new:
        done = Failover(stack.ground()).run()
        until(lambda: old.seen.refused > 5 and len(new.seen.accepted) > 5)
    assert [done["steps"]["fenced"]["result"]["how"], done["given"]["to_region"]] == ["database", AWAY]
    assert users(pair, "east") >= {name for name, *_ in old.seen.accepted}
    assert addresses(stack.zones) == [("A", 300, ["192.0.2.9"])]
    with pair.connect(HOME, "owner") as old_server:
        assert (fence.standing(old_server).state, fence.standing(old_server).successor) == ("closed", "10.20.0.4:5432")
    since = plan(stack.ground())  # the stack still names the old one
    assert (since.primary, since.endpoint, since.is_ready) == (REPLICA, "10.20.0.4:5432", False)

    stack.google.fail("sql.instances.insert", NOT_ALLOWED)
    with pytest.raises(CloudRefused, match=r"may not cloudsql\.instances\.create"):
        Failover(stack.ground()).back()
    back = Failover(stack.ground()).back()
    made = back["given"]["to"]
    assert made == f"{DATABASE}-back-{done['id'][-6:]}"
    assert [stack.sql.instances[made][name] for name in ("region", "instanceType")] == [REGION, "CLOUD_SQL_INSTANCE"]
    assert stack.google.changes.count("sql.instances.insert") == 1
    with pair.connect(HOME, "app") as serving, pair.connect("east", "app") as left:
        assert (fence.standing(serving).is_open, fence.standing(left).state) == (True, "closed")
        assert fence.standing(serving).epoch > fence.standing(left).epoch
    assert users(pair, HOME) >= {name for name, *_ in new.seen.accepted}
    assert plan(stack.ground()).primary == made


def test_a_primary_that_does_not_answer_is_stopped_and_one_that_cannot_be_is_refused(stack: Stack, pair: Pair) -> None:
    ground = stack.ground()
    ground.down = True
    stack.google.fail("sql.instances.patch", NOT_ALLOWED)
    with pytest.raises(PrimaryNotFenced, match=r"cloudsql\.instances\.update"):
        Failover(ground).run()
    assert LocalStandbys(pair.settings()).standing().replicas[0].state == "streaming", "nobody was promoted"
    pair.kill(HOME)
    done = Failover(ground).run()
    assert done["steps"]["fenced"]["result"]["how"] == "cut off"
    assert stack.sql.instances[DATABASE]["settings"]["activationPolicy"] == "NEVER"
    with pair.connect("east", "owner") as new:
        assert fence.standing(new).is_open


def test_what_was_not_promoted_is_given_up_and_a_closed_primary_is_not_ready(stack: Stack, pair: Pair) -> None:
    ground = stack.ground()
    stack.google.fail("sql.instances.promoteReplica", NOT_ALLOWED)
    with pytest.raises(CloudRefused, match=r"may not cloudsql\.instances\.promoteReplica"):
        Failover(ground).run()
    with pytest.raises(UnderWay, match="may have been promoted: there is only forward"):
        Failover(ground).abort()
    with pair.connect(HOME, "mover") as mover:
        assert fence.standing(mover).state == "closed", "it may have been promoted: there is only forward"
    done = Failover(ground).run()
    assert done["outcome"] == "done"
    stack.sql.instances[REPLICA]["settings"]["databaseReplicationEnabled"] = False
    with pytest.raises(NotReady, match="has no standby"):
        Failover(stack.ground()).run()
