"""What moves with the database: Redis right at the switch, the name that leads callers there; keys are compared."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import psycopg
import pytest
from moto.server import ThreadedMotoServer
from redis import Redis

from core.foundation.crypto import Sealer
from core.foundation.settings import Settings
from core.operations.clouds.base import Place as Cloud
from core.operations.transfer.beside import fingerprints, from_line, to_line
from core.operations.transfer.moving.accompanying import Beside, Record, look_beside, look_keys
from core.operations.transfer.moving.journal import Ends, Journal
from core.operations.transfer.moving.preflight import Report
from tests.operations.transfer.conftest import Caches
from tests.support.moved_books import furnish
from tests.support.movers import Moving
from tests.support.twins import Place

NAME, REGION = "billing.example.com", "us-east-1"
OLD, NEW = "192.0.2.1", "192.0.2.2"


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """An emulated account with the zone; the environment in which boto3 finds it."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    found = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": REGION,
        "NO_PROXY": "127.0.0.1",
    }
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    route53 = boto3.client("route53")
    zone = route53.create_hosted_zone(Name="example.com", CallerReference="1")["HostedZone"]["Id"]
    old = {"Name": NAME, "Type": "A", "TTL": 300, "ResourceRecords": [{"Value": OLD}]}
    route53.change_resource_record_sets(
        HostedZoneId=zone, ChangeBatch={"Changes": [{"Action": "CREATE", "ResourceRecordSet": old}]}
    )
    yield found
    server.stop()


@pytest.fixture
def both(caches: Caches) -> Iterator[tuple[Redis, Redis]]:
    """A Redis 7 and a Valkey 9, empty."""
    with (
        Redis.from_url(caches.redis.format(number=9)) as old,
        Redis.from_url(caches.valkey.format(number=9)) as new,
    ):
        old.flushdb()
        new.flushdb()
        yield old, new


def blocked(report: Report) -> dict[str, str]:
    return {f"{one.side} {one.what}": one.detail for one in report.blocked}


def warned(report: Report) -> dict[str, str]:
    return {f"{one.side} {one.what}": one.detail for one in report.findings if one.state == "warns"}


def test_redis_and_the_name_go_along_and_come_back(
    pair: tuple[Place, Place], names: dict[str, str], caches: Caches, both: tuple[Redis, Redis], tmp_path: Path
) -> None:
    source, target = pair
    furnish(source, tenants=1, users=2)
    old, new = both
    old.set("limit:user:1", "41", px=600_000)
    old.set("console:session:one", "tokens", ex=6000)
    old.set("console:session:one:lock", "held", ex=60)
    new.set("limit:user:of-before", "7")
    asked = Beside(
        source_cache=caches.redis.format(number=9),
        target_cache=caches.valkey.format(number=9),
        record=Record(name=NAME, leads_to=NEW, place=Cloud(cloud="aws", region=REGION)),
    )
    report = Report()
    beside = look_beside(report, asked)
    assert blocked(report) == {}
    assert beside.record
    assert beside.record.led_to == OLD
    home = tmp_path / "home"
    ends = Ends.of(source.url("mover"), target.url("mover"), target.url("owner"))
    Journal.create(home, ends, beside=beside.to_json())
    moving = Moving(source, target, home, **names)
    try:
        moved = moving.run("resume", "--exit-after-switch")
        assert moved.returncode == 0, moved.stderr + moved.stdout
        assert f"{NAME} leads to {NEW}" in moved.stdout
        assert sorted(new.scan_iter()) == [b"console:session:one", b"limit:user:1"]
        assert abs(int(new.pexpiretime("limit:user:1")) - int(old.pexpiretime("limit:user:1"))) <= 1000
        certified = json.loads(next(home.glob("moves/*/certificate.json")).read_text())
        assert (certified["redis"]["copied"], certified["redis"]["locks"], certified["redis"]["removed"]) == (2, 1, 1)
        assert certified["redis"]["differingKeys"] == 0
        assert certified["record"] == {"name": NAME, "leadsTo": NEW}
        status = moving.run("status")
        assert f"record: name {NAME}, leadsTo {NEW}" in status.stdout, status.stderr
        assert "nobody works on it" in status.stdout
        # The new side serves: it counts on, and somebody signs out there.
        new.incr("limit:user:1")
        new.delete("console:session:one")
        back = moving.run("rollback", "--yes")
        assert back.returncode == 0, back.stderr + back.stdout
        assert f"{NAME} leads to {OLD}" in back.stdout
        assert old.get("limit:user:1") == b"42"
        assert old.get("console:session:one") is None
        assert old.get("console:session:one:lock") == b"held", "what is not carried is nobody's business"
        certified = json.loads(next(home.glob("moves/*/certificate-rollback.json")).read_text())
        assert (certified["redis"]["copied"], certified["redis"]["removed"]) == (1, 1)
        assert not list(home.glob("moves/*/beside.json")), "passwords are forgotten"
    finally:
        moving.end()


def test_a_redis_that_does_not_answer_and_a_name_that_is_not_there_are_found_before_the_move(
    caches: Caches, both: tuple[Redis, Redis], names: dict[str, str]
) -> None:
    here = caches.redis.format(number=9)
    report = Report()
    record = Record(name="nowhere.example.com", leads_to=NEW, place=Cloud(cloud="aws", region=REGION))
    look_beside(report, Beside(source_cache=here, target_cache="redis://127.0.0.1:9/0", record=record))
    assert "Redis does not answer" in blocked(report)["target Redis"]
    assert blocked(report)["both record"].startswith("nowhere.example.com leads nowhere yet")
    report = Report()
    look_beside(report, Beside(source_cache=here, target_cache=here))
    assert [one.detail for one in report.findings] == ["the same on both sides: nothing is carried"]
    report = Report()
    look_beside(report, Beside(source_cache=here))
    assert blocked(report) == {"both Redis": "only one side's address is given: give --from-redis and --to-redis"}


def test_other_keys_on_the_target_are_named_by_their_fingerprints(
    pair: tuple[Place, Place], settings_of: Callable[..., Settings]
) -> None:
    source, target = pair
    ours, other = settings_of(source), settings_of(target, encryption_key="A" * 43 + "=")
    ends = Ends.of(source.url("mover"), target.url("mover"), target.url("owner"))
    there = from_line(to_line(fingerprints(other)))

    def look(settings: Settings, **sides: dict[str, list[str]] | None) -> Report:
        report = Report()
        look_keys(report, ends, settings, source=sides.get("source"), target=sides.get("target"), target_is_here=False)
        return report

    with psycopg.connect(source.url("owner"), autocommit=True) as owner:
        owner.execute("DELETE FROM signing_keys")
    assert list(warned(look(ours, target=there))) == ["source keys"], "nothing is sealed yet: nothing tells"
    assert list(warned(look(ours))) == ["target keys"] or list(warned(look(ours))) == ["source keys"]
    with psycopg.connect(source.url("owner"), autocommit=True) as owner:
        owner.execute(
            "INSERT INTO signing_keys (id, public_pem, private_pem_encrypted) VALUES ('one', 'x', %s)",
            [Sealer(ours).seal(b"a key")],
        )
    found = blocked(look(ours, target=there))["target keys"]
    assert f"is sealed under ENCRYPTION_KEY {fingerprints(ours)['encryption'][0]}" in found
    assert f"the target has {there['encryption'][0]}: give it the source's ENCRYPTION_KEY" in found
    assert blocked(look(ours, target=fingerprints(ours))) == {}
    assert blocked(look(other, source=fingerprints(ours), target=there)) != {}
    with pytest.raises(ValueError, match="is no fingerprint"):
        from_line("encryption=short")
