"""The same steps for a stack on AWS: RDS and its replica as an emulator answers, the databases two real ones."""

import re
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from core.foundation import fence
from core.operations.clouds.aws_standbys import AwsStandbys
from core.operations.clouds.base import Place, Promoted
from core.operations.clouds.local_standbys import LocalStandbys
from core.operations.failover.errors import NotReady
from core.operations.failover.grounds import HereGround, StackGround
from core.operations.failover.here import HOME
from core.operations.failover.running import Failover
from core.operations.failover.watched import WatchedGround
from core.operations.recovery import looking
from tests.operations.clouds.aws import original
from tests.operations.clouds.aws.conftest import REGION
from tests.operations.clouds.aws.conftest import aws as aws  # the fixtures
from tests.operations.clouds.aws.conftest import emulator as emulator
from tests.operations.clouds.aws.conftest import proxy as proxy
from tests.support.faults import Fault, Faults
from tests.support.pair import Pair

REPLICA = "cloudbill-test-replica-1"
SOURCE = b"<ReadReplicaSourceDBInstanceIdentifier>%s</ReadReplicaSourceDBInstanceIdentifier>"


class Names:
    """The names of the place."""

    def __init__(self) -> None:
        self.led: dict[str, str] = {}

    def point(self, record: str, endpoint: str) -> None:
        self.led[record] = endpoint

    def health(self, record: str) -> bool | None:
        return True


class OnThePair(StackGround):
    """RDS's endpoints lead to the two real servers."""

    pair: Pair
    down = False

    @contextmanager
    def mover(self, endpoint: str) -> Generator[psycopg.Connection[Any]]:
        name = "east" if endpoint.startswith(REPLICA + ".") else HOME
        if name == HOME and self.down:
            raise psycopg.OperationalError("connection timeout expired")
        with self.pair.connect(name, "mover") as connection:
            yield connection


class Promoting(AwsStandbys):
    """What RDS promotes is promoted for real."""

    pair: Pair

    def promote(self, replica: str, *, region: str | None = None) -> Promoted:
        LocalStandbys(self.pair.settings()).promote("east" if replica == REPLICA else HOME)
        return super().promote(replica, region=region)

    def add(self, name: str, *, like: str, region: str) -> None:
        HereGround(self.pair.settings()).switch(self.pair.servers.endpoint("east"), epoch=1)
        self.pair.servers.rebuild(HOME)
        super().add(name, like=like, region=region)


@pytest.fixture
def ground(aws: Faults, pair: Pair) -> OnThePair:
    made = original.make()
    original.client("rds").create_db_instance_read_replica(
        DBInstanceIdentifier=REPLICA, SourceDBInstanceIdentifier=made.name
    )
    aws.heal()

    def promoted(body: bytes) -> bytes:
        """The emulator goes on telling whom a replica followed once it is promoted."""
        of = [made.name.encode(), REPLICA.encode()][: aws.count("PromoteReadReplica")]
        for source in of:
            body = body.replace(SOURCE % source, b"")
        return body

    aws._add(Fault(re.compile("DescribeDBInstances"), 10**6, alter=promoted))
    place = Place(cloud="aws", region=REGION)

    def standbys(place: Place, database: str) -> Promoting:
        found = Promoting(place, database, poll_seconds=0.01, longest_seconds=20)
        found.pair = pair
        return found

    ground = OnThePair(
        pair.settings(),
        stack="prod",
        place=place,
        endpoint=f"{made.name}.rds.amazonaws.com:5432",
        outputs={},
        standbys=standbys(place, made.name),
        others=standbys,
        dns=Names(),
        record="billing.example.com",
        leads_to="other.example.com",
    )
    ground.pair = pair
    return ground


def test_the_database_is_asked_first_the_replica_promoted_and_the_name_led_elsewhere(
    ground: OnThePair, pair: Pair
) -> None:
    done = Failover(ground).run()
    assert done["steps"]["fenced"]["result"]["how"] == "database"
    endpoint = done["steps"]["promoted"]["result"]["endpoint"]
    assert endpoint.startswith(REPLICA)
    with pair.connect(HOME, "owner") as old, pair.connect("east", "owner") as new:
        before, after = fence.standing(old), fence.standing(new)
        assert (before.state, before.successor) == ("closed", endpoint)
        assert after.is_open
        assert after.epoch > before.epoch
        assert new.execute("SELECT count(*) FROM open_worker_holds()").fetchone() == (1,)
    assert isinstance(ground._dns, Names)
    assert ground._dns.led == {"billing.example.com": "other.example.com"}
    back = Failover(ground).back()
    assert back["given"]["to"] == f"cloudbill-test-back-{done['id'][-6:]}"
    with pair.connect(HOME, "owner") as serving, pair.connect("east", "owner") as left:
        assert (fence.standing(serving).is_open, fence.standing(left).state) == (True, "closed")


def test_a_primary_that_does_not_answer_is_cut_off_by_the_cloud(ground: OnThePair, pair: Pair) -> None:
    ground.down = True
    pair.kill(HOME)
    done = Failover(ground).run()
    assert done["steps"]["fenced"]["result"]["how"] == "cut off"
    groups = original.client("rds").describe_db_instances(DBInstanceIdentifier="cloudbill-test")["DBInstances"][0]
    assert groups["DBInstanceStatus"] in ("stopped", "available", "rebooting")
    with pair.connect("east", "owner") as new:
        assert fence.standing(new).is_open


def test_the_worker_of_a_stack_plans_with_the_applications_login_and_runs_nothing(
    ground: OnThePair, pair: Pair
) -> None:
    place, name = Place(cloud="aws", region=REGION), ground.standbys.standing().name
    watched = WatchedGround(pair.settings(database_mover_url=None), place, name)
    seen = looking.planned(watched)
    assert (seen["ground"], seen["primary"], seen["standby"]) == (name, name, REPLICA)
    assert seen["endpoint"] == pair.servers.endpoint(HOME)
    assert (seen["is_ready"], seen["answers"]) == (True, True)
    assert seen["loss"] == "nothing: writes are closed first, and the standby is waited for"
    assert seen["checks"][0]["detail"] == f"{pair.servers.endpoint(HOME)} is open in epoch 1"
    nobody = pair.url(HOME, "app").replace(pair.servers.endpoint(HOME), "127.0.0.1:9")
    away = looking.planned(WatchedGround(pair.settings(database_app_url=nobody), place, name))
    assert away["loss"] == "what was committed and had not reached the standby; nobody can say how much"
    assert [check["name"] for check in away["checks"] if not check["holds"]] == ["primary"]
    original.client("rds").delete_db_instance(DBInstanceIdentifier=REPLICA, SkipFinalSnapshot=True)
    alone = looking.planned(watched)
    assert (alone["is_ready"], alone["loss"]) == (False, "nobody can take over")
    for forbidden in (
        lambda: watched.switch("10.0.0.9:5432", epoch=2),
        lambda: watched.record("10.0.0.9:5432", {}),
        lambda: watched.rebuild(HOME, mark="abcdef"),
    ):
        with pytest.raises(NotReady, match="a worker plans a failover and runs none"):
            forbidden()
    with pair.connect(HOME, "app") as serving:
        assert fence.standing(serving).is_open
