"""`cloudbill move` by its commands, between PostgreSQL 15 and 18: what it refuses, gives up and certifies."""

import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from core.operations.transfer.moving.preflight import look
from tests.support.moved_books import furnish, rows_of
from tests.support.movers import Moving
from tests.support.twins import Place, Twins


@pytest.fixture
def pair(twins: Twins) -> Iterator[tuple[Place, Place]]:
    """A database on each."""
    old, new = twins.pair()
    yield old, new
    twins.drop(old)
    twins.drop(new)


@pytest.fixture
def moving(pair: tuple[Place, Place], tmp_path: Path) -> Iterator[Moving]:
    """A move from 15 to 18."""
    made = Moving(*pair, tmp_path / "home")
    yield made
    made.end()


def blocked(pair: tuple[Place, Place], **changes: str) -> dict[str, str]:
    from core.operations.transfer.moving.journal import Ends

    source, target = pair
    urls = {"source": source.url("mover"), "target": target.url("mover"), "owner": target.url("owner"), **changes}
    report = look(Ends.of(urls["source"], urls["target"], urls["owner"]))
    return {f"{one.side} {one.what}": one.detail for one in report.blocked}


def test_two_fit_sides_pass_the_preflight(pair: tuple[Place, Place]) -> None:
    assert blocked(pair) == {}


def test_a_table_without_a_key_is_named(pair: tuple[Place, Place]) -> None:
    with pair[0].connect("owner") as owner:
        owner.execute("CREATE TABLE notes (words text)")
    assert "no primary key: notes" in blocked(pair)["source tables"]


def test_large_objects_are_named(pair: tuple[Place, Place]) -> None:
    with pair[0].connect("owner") as owner:
        owner.execute("SELECT lo_create(0)")
    assert "1 large objects" in blocked(pair)["source tables"]


def test_a_role_that_may_not_replicate_is_told_the_grant(pair: tuple[Place, Place]) -> None:
    with pair[0].connect("admin") as admin:
        admin.execute("ALTER ROLE twin_mover NOREPLICATION")
        try:
            found = blocked(pair)
        finally:
            admin.execute("ALTER ROLE twin_mover REPLICATION")
    assert found == {"source replication": "twin_mover may not replicate: ALTER ROLE twin_mover REPLICATION"}


def test_definitions_that_differ_are_named(pair: tuple[Place, Place]) -> None:
    with pair[1].connect("owner") as owner:
        owner.execute("DROP POLICY tenant_reads ON holds")
        owner.execute("DROP TRIGGER guard_hold ON holds")
    found = blocked(pair)["both definitions"]
    assert "policy holds.tenant_reads is missing in the target" in found
    assert "trigger holds.guard_hold is missing in the target" in found


def test_a_target_in_use_is_refused(pair: tuple[Place, Place]) -> None:
    furnish(pair[1], tenants=1, users=1)
    assert "tenants" in blocked(pair)["target empty"]


def test_the_same_database_twice_is_refused(pair: tuple[Place, Place]) -> None:
    source = pair[0]
    found = blocked((source, source))
    assert found["both two databases"] == "source and target are the same database: name two"


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("postgresql://twin_mover:secret-word@127.0.0.1:9/nothing", "nobody listens there"),
        ("postgresql://twin_mover:secret-word@127.0.0.1:{port}/nothing", "it refuses the user or the password"),
        ("not an address", "must look like postgresql://USER:PASSWORD@HOST:PORT/DATABASE"),
    ],
)
def test_a_side_that_cannot_be_reached_is_named_without_its_password(moving: Moving, address: str, said: str) -> None:
    port = moving.env["MOVE_TO_URL"].rpartition(":")[2].partition("/")[0]
    moving.env["MOVE_TO_URL"] = address.format(port=port)
    answer = moving.here("start", "--yes")
    assert answer.startswith("failed: ")
    assert said in answer
    assert "secret-word" not in answer
    assert not list(moving.home.glob("moves/*"))


def lose_the_slot(source: Place, name: str) -> None:
    with source.connect("admin") as admin:
        admin.execute(
            "SELECT pg_terminate_backend(active_pid, 5000) FROM pg_replication_slots "
            "WHERE slot_name = %s AND active_pid IS NOT NULL",
            [name],
        )
        admin.execute("SELECT pg_drop_replication_slot(%s)", [name])


def source_serves(source: Place) -> None:
    with source.connect("app") as app:
        app.execute("SELECT create_user(gen_random_uuid(), gen_random_uuid() || '@b.test', 'A', 'x')")


def test_refused_by_name_given_up_and_moved_again(pair: tuple[Place, Place], moving: Moving, tmp_path: Path) -> None:
    source, target = pair
    furnish(source, tenants=2, users=10)
    with target.connect("admin") as admin:
        seeded = rows_of(admin, "plans")
    moving.spawn("start", "--yes", "--wait-before-switch")
    moving.wait_until(lambda: moving.step.startswith("near: waits"))

    # A second mover, a row that somebody changed on the target, a slot that vanished: each stops it by its name.
    assert "is under way" in Moving(source, target, tmp_path / "second").here("start", "--yes")
    moving.here("stop")
    with target.connect("mover") as mover:
        mover.execute("UPDATE customers SET name = 'somebody else' WHERE external_id = 'user-3' RETURNING 1")
    differs = moving.here("resume")
    assert "2 rows differ: customers (tenant_id=" in differs
    assert "changed in name" in differs
    source_serves(source)
    lose_the_slot(source, moving.read("journal.json")["name"])
    assert "the slot is gone from the source" in moving.here("resume")
    source_serves(source)

    given_up = moving.here("abort", "--yes")
    assert not given_up.startswith("failed"), given_up
    with source.connect("admin") as left, target.connect("admin") as right:
        for side in (left, right):
            for catalog in ("pg_replication_slots WHERE database = current_database()", "pg_publication"):
                assert rows_of(side, catalog) == 0
            assert side.execute("SELECT state FROM write_fence").fetchone() == ("open",)
        assert rows_of(right, "tenants") == rows_of(left, "tenants") - 2
        assert rows_of(right, "plans") == seeded

    moved = moving.here("start", "--yes", "--exit-after-switch")
    assert moving.phase == "switched", moved
    with pytest.raises(psycopg.Error) as refused:
        source_serves(source)
    assert refused.value.sqlstate == "CB001"
    assert f"127.0.0.1:{target.server.port} serves now" in str(refused.value)

    certificate = max(moving.home.glob("moves/*/certificate.json"))
    assert moving.here("verify", str(certificate)).startswith("holds: ")
    document = json.loads(certificate.read_text())
    assert all(roots["from"] == roots["to"] for roots in document["tenants"].values())
    assert len(document["tenants"]) >= 3
    assert document["books"]["ledger"]["sumsMicro"] == {"USD": 0}
    assert document["books"]["chains"].keys() == document["tenants"].keys() - {"installation"}
    assert sum(document["pauseSteps"].values()) <= document["pauseMilliseconds"] / 1000 + 0.01
    altered = tmp_path / "altered.json"
    altered.write_bytes(certificate.read_bytes().replace(b'"rows":', b'"Rows":', 1))
    assert "altered" in moving.here("verify", str(altered))
    moving.env["CLOUDBILL_HOME"] = str(tmp_path / "elsewhere")
    assert "not believed here" in moving.here("verify", str(certificate))


def test_a_table_altered_during_the_move_stops_it_by_name(pair: tuple[Place, Place], moving: Moving) -> None:
    source, target = pair
    furnish(source, tenants=1, users=5)
    moving.spawn("start", "--yes", "--wait-before-switch")
    moving.wait_until(lambda: moving.step.startswith("near: waits"))
    with source.connect("owner") as owner:
        owner.execute("ALTER TABLE customers ADD COLUMN nickname text")
    with source.connect("mover") as mover:
        mover.execute("UPDATE customers SET nickname = 'x'")  # the owner was let through: the move gave way
    assert moving.process
    assert moving.process.wait(60) == 1
    assert "somebody is altering customers on the serving side during the move" in moving.last_words()
    again = moving.here("resume")
    assert "customers was altered on the source during the move (nickname was added)" in again
    source_serves(source)
    # Put right again on the source, the move is given up and nothing is left.
    with source.connect("owner") as owner:
        owner.execute("ALTER TABLE customers DROP COLUMN nickname")
    assert not moving.here("abort", "--yes").startswith("failed")
