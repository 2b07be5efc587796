"""`cloudbill move` by its commands, between PostgreSQL 15 and 18: what it refuses, gives up and certifies."""

import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from core.operations.transfer.moving.preflight import look
from tests.support.moved_books import furnish, rows_of
from tests.support.movers import Moving
from tests.support.twins import Place, Twins


@pytest.fixture(scope="module")
def twins() -> Iterator[Twins]:
    """15 (or 16) and 18."""
    made = Twins()
    yield made
    made.stop()


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
        ("not an address", "must look like postgresql://USER:PASSWORD@HOST:PORT/DATABASE"),
    ],
)
def test_a_side_that_cannot_be_reached_is_named_without_its_password(moving: Moving, address: str, said: str) -> None:
    moving.env["MOVE_TO_URL"] = address
    done = moving.run("start", "--yes")
    assert done.returncode == 1
    assert said in done.stderr
    assert "secret-word" not in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    assert not list(moving.home.glob("moves/*"))


def test_a_wrong_password_is_named(moving: Moving) -> None:
    moving.env["MOVE_FROM_URL"] = moving.env["MOVE_FROM_URL"].replace("twin-word", "another")
    done = moving.run("start", "--yes")
    assert done.returncode == 1
    assert "it refuses the user or the password" in done.stderr


def test_moved_given_up_and_moved_again(pair: tuple[Place, Place], moving: Moving, tmp_path: Path) -> None:
    source, target = pair
    furnish(source, tenants=2, users=10)
    with target.connect("admin") as admin:
        seeded = rows_of(admin, "plans")
    moving.spawn("start", "--yes", "--wait-before-switch")
    moving.wait_until(lambda: moving.step.startswith("near: waits"))
    second = Moving(source, target, tmp_path / "second").run("start", "--yes")
    assert second.returncode == 1
    assert "is under way" in second.stderr
    given_up = moving.run("abort", "--yes")
    assert given_up.returncode == 0, given_up.stderr
    with source.connect("admin") as left, target.connect("admin") as right:
        for side in (left, right):
            for catalog in ("pg_replication_slots WHERE database = current_database()", "pg_publication"):
                assert rows_of(side, catalog) == 0
            assert side.execute("SELECT state FROM write_fence").fetchone() == ("open",)
        assert rows_of(right, "tenants") == rows_of(left, "tenants") - 2
        assert rows_of(right, "plans") == seeded
    moving.spawn("start", "--yes", "--exit-after-switch")
    assert moving.process
    assert moving.process.wait(90) == 0, moving.last_words()
    assert moving.phase == "switched"
    with source.connect("app") as app, pytest.raises(psycopg.Error) as refused:
        app.execute("SELECT create_user(gen_random_uuid(), 'a@b.test', 'A', 'x')")
    assert refused.value.sqlstate == "CB001"
    assert f"127.0.0.1:{target.server.port} serves now" in str(refused.value)

    certificate = max(moving.home.glob("moves/*/certificate.json"))
    holds = moving.run("verify", str(certificate))
    assert holds.returncode == 0, holds.stderr
    document = json.loads(certificate.read_text())
    assert all(roots["from"] == roots["to"] for roots in document["tenants"].values())
    assert len(document["tenants"]) >= 3
    altered = tmp_path / "altered.json"
    altered.write_bytes(certificate.read_bytes().replace(b'"rows":', b'"Rows":', 1))
    wrong = moving.run("verify", str(altered))
    assert wrong.returncode == 1
    assert "altered" in wrong.stderr
    moving.env["CLOUDBILL_HOME"] = str(tmp_path / "elsewhere")
    foreign = moving.run("verify", str(certificate))
    assert foreign.returncode == 1
    assert "not believed here" in foreign.stderr


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
    again = moving.run("resume")
    assert again.returncode == 1
    assert "customers was altered on the source during the move (nickname was added)" in again.stderr
    with source.connect("app") as app:
        app.execute("SELECT create_user(gen_random_uuid(), 'a@b.test', 'A', 'x')")
    # Put right again on the source, the move is given up and nothing is left.
    with source.connect("owner") as owner:
        owner.execute("ALTER TABLE customers DROP COLUMN nickname")
    assert moving.run("abort", "--yes").returncode == 0


def test_a_slot_that_vanished_is_named_and_the_source_serves(pair: tuple[Place, Place], moving: Moving) -> None:
    source, _ = pair
    furnish(source, tenants=1, users=5)
    moving.spawn("start", "--yes", "--wait-before-switch")
    moving.wait_until(lambda: moving.step.startswith("near: waits"))
    moving.kill()
    with source.connect("admin") as admin:
        name = moving.read("journal.json")["name"]
        admin.execute(
            "SELECT pg_terminate_backend(active_pid, 5000) FROM pg_replication_slots "
            "WHERE slot_name = %s AND active_pid IS NOT NULL",
            [name],
        )
        admin.execute("SELECT pg_drop_replication_slot(%s)", [name])
    done = moving.run("resume")
    assert done.returncode == 1
    assert "the slot is gone from the source" in done.stderr
    with source.connect("app") as app:
        app.execute("SELECT create_user(gen_random_uuid(), 'a@b.test', 'A', 'x')")
    assert moving.run("abort", "--yes").returncode == 0


def test_a_row_that_differs_stops_the_switch_by_table_and_key(pair: tuple[Place, Place], moving: Moving) -> None:
    source, target = pair
    furnish(source, tenants=1, users=5)
    moving.spawn("start", "--yes", "--wait-before-switch")
    moving.wait_until(lambda: moving.phase == "following" and moving.step.startswith(("indexes", "comparing", "near")))
    moving.run("stop")
    with target.connect("mover") as mover:
        mover.execute(sql.SQL("UPDATE customers SET name = 'somebody else' WHERE external_id = 'user-3'"))
    moving.spawn("resume")
    assert moving.process
    assert moving.process.wait(60) == 1
    assert "1 rows differ: customers (tenant_id=" in moving.last_words()
    assert "changed in name" in moving.last_words()
    assert moving.run("abort", "--yes").returncode == 0
