"""The write fence, held by the database: who waits for whom, who is refused, and that every refused try is counted."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from core.foundation import fence
from core.foundation.migrations.upgrade import upgrade_schema
from tests.support.servers import Role, Servers

Connection = psycopg.Connection[Any]
SUCCESSOR = "127.0.0.1:6543"


@pytest.fixture
def sign_in(servers: Servers, database_name: str) -> Iterator[Callable[..., Connection]]:
    """`sign_in("app")`: a plain connection of a role, in autocommit unless told."""
    with ExitStack() as opened:

        def connect(role: Role, *, autocommit: bool = True) -> Connection:
            return opened.enter_context(psycopg.connect(servers.url(role, database_name), autocommit=autocommit))

        yield connect


@pytest.fixture
def mover(sign_in: Callable[..., Connection]) -> Connection:
    """Who may move the fence."""
    return sign_in("mover")


def create_user(connection: Connection) -> None:
    """A write of the application, through a function with its owner's rights."""
    name = f"{uuid4().hex}@fence.test"
    connection.execute("SELECT create_user(%s, %s, 'Somebody', 'x')", [uuid4(), name])


def queue_job(connection: Connection) -> None:
    """A write of the job queue, as its library does it."""
    connection.execute(
        "INSERT INTO procrastinate_jobs (queue_name, task_name, args) VALUES ('default', 'fence:test', '{}')"
    )


def count_users(connection: Connection) -> int:
    row = connection.execute("SELECT count(*) FROM users").fetchone()
    assert row
    return row[0]


def waits_for_lock(admin: Connection, pid: int) -> bool:
    row = admin.execute("SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = %s", [pid]).fetchone()
    return bool(row and row[0])


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, "it did not come true within 10 s"
        time.sleep(0.01)


def refused(connection: Connection, write: Callable[[Connection], Any]) -> psycopg.Error:
    with pytest.raises(psycopg.Error) as caught:
        write(connection)
    assert caught.value.diag.sqlstate == "CB001"
    assert fence.is_fenced(caught.value)
    return caught.value


def test_a_new_server_is_open_in_its_first_epoch(mover: Connection) -> None:
    now = fence.standing(mover)
    assert (now.state, now.epoch, now.successor, now.is_open) == ("open", 1, None, True)
    assert fence.refusals(mover) == 0


def test_closing_waits_for_the_writer_under_way_whose_write_stays(
    sign_in: Callable[..., Connection], mover: Connection
) -> None:
    writer, admin = sign_in("app", autocommit=False), sign_in("admin")
    create_user(writer)
    closed: list[int] = []
    closing = threading.Thread(target=lambda: closed.append(fence.close(mover, reason="test", successor=SUCCESSOR)))
    closing.start()
    until(lambda: waits_for_lock(admin, mover.info.backend_pid))
    assert fence.standing(sign_in("app")).state == "open"
    writer.commit()
    closing.join(10)
    assert closed == [2]
    assert count_users(admin) == 1
    message = str(refused(sign_in("app"), create_user))
    assert message.startswith("writing users is refused: this server is closed since epoch 2 (test); ")
    assert "127.0.0.1:6543 serves now" in message


def test_a_writer_that_does_not_end_is_named_and_nothing_changes(
    sign_in: Callable[..., Connection], mover: Connection
) -> None:
    writer = sign_in("app", autocommit=False)
    create_user(writer)
    with pytest.raises(fence.WritersUnderWay, match=f"process {writer.info.backend_pid} of cloudbill_test_app"):
        fence.close(mover, reason="test", patience=0.05)
    with pytest.raises(fence.WritersUnderWay), fence.held(mover, patience=0.05):
        pytest.fail("held while a writer is under way")
    assert fence.standing(mover).state == "open"
    create_user(sign_in("app"))
    writer.commit()


def test_while_it_is_held_writers_wait_and_readers_and_the_mover_do_not(
    sign_in: Callable[..., Connection], mover: Connection
) -> None:
    writer, admin, second = sign_in("app"), sign_in("admin"), sign_in("mover")
    thread = threading.Thread(target=create_user, args=[writer])
    with fence.held(mover):
        thread.start()
        until(lambda: waits_for_lock(admin, writer.info.backend_pid))
        assert count_users(admin) == 0
        second.execute("INSERT INTO job_errors VALUES (1, 'moved', now())")
        assert thread.is_alive()
    thread.join(10)
    assert count_users(admin) == 1
    assert fence.refusals(mover) == 0


def test_a_hold_is_lost_with_its_connection_and_writers_go_on(sign_in: Callable[..., Connection]) -> None:
    holder, writer, admin = sign_in("mover"), sign_in("app"), sign_in("admin")
    thread = threading.Thread(target=create_user, args=[writer])
    with suppress(psycopg.Error), fence.held(holder):
        thread.start()
        until(lambda: waits_for_lock(admin, writer.info.backend_pid))
        admin.execute("SELECT pg_terminate_backend(%s)", [holder.info.backend_pid])
        thread.join(10)
        assert count_users(admin) == 1
        holder.execute("SELECT 1")


def test_who_waited_while_it_was_held_is_refused_once_it_is_closed(
    sign_in: Callable[..., Connection], mover: Connection
) -> None:
    writer, admin = sign_in("app"), sign_in("admin")
    errors: list[psycopg.Error] = []
    thread = threading.Thread(target=lambda: errors.append(refused(writer, create_user)))
    with fence.held(mover):
        thread.start()
        until(lambda: waits_for_lock(admin, writer.info.backend_pid))
        fence.close(mover, reason="moved", successor=SUCCESSOR)
    thread.join(10)
    assert len(errors) == 1
    assert (count_users(admin), fence.refusals(mover)) == (0, 1)


def test_closed_refuses_everybody_but_the_mover_and_counts_each_try_across_rollbacks(
    sign_in: Callable[..., Connection], mover: Connection
) -> None:
    app, owner, admin = sign_in("app"), sign_in("owner"), sign_in("admin")
    queue_job(app)
    fence.close(mover, reason="test", successor=SUCCESSOR)
    tries: list[tuple[Connection, Callable[[Connection], Any]]] = [
        (app, create_user),
        (app, queue_job),
        (app, lambda c: c.execute("SELECT record_job_error(1, 'x')")),
        (app, lambda c: c.execute("SELECT procrastinate_fetch_job_v2(NULL, NULL)")),
        (app, lambda c: c.execute("SELECT store_alert('{}')")),
        (app, lambda c: c.execute("SELECT create_usage_partition('2031-01-01')")),
        (owner, create_user),
        (owner, lambda c: c.execute("UPDATE tenants SET name = 'x'")),
        (owner, lambda c: c.execute("TRUNCATE job_errors")),
        (owner, lambda c: c.execute("DELETE FROM usage_events_elsewhere")),
        (admin, create_user),
        (admin, lambda c: c.execute("DELETE FROM procrastinate_jobs")),
    ]
    for connection, write in tries:
        with connection.transaction(force_rollback=True):
            refused(connection, write)
    assert fence.refusals(mover) == len(tries) == 12
    mover.execute("INSERT INTO job_errors VALUES (1, 'moved', now())")
    assert admin.execute("SELECT job_id FROM job_errors").fetchall() == [(1,)]
    assert fence.refusals(app) == 12


def test_every_table_refuses_when_closed_whatever_the_statement(
    sign_in: Callable[..., Connection], mover: Connection
) -> None:
    admin = sign_in("admin")
    fence.close(mover, reason="test")
    tables = [
        name
        for (name,) in admin.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
            " AND relname NOT IN ('alembic_version', 'write_fence')"
        ).fetchall()
    ]
    assert len(tables) > 60
    for table in tables:
        column = admin.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND attidentity = ''"
            " AND attgenerated = '' AND NOT attisdropped LIMIT 1",
            [table],
        ).fetchone()
        assert column
        for statement in (
            "DELETE FROM {} WHERE false",
            "UPDATE {} SET {} = {} WHERE false",
            "INSERT INTO {} DEFAULT VALUES",
        ):
            names = [column[0]] * 2 if statement.startswith("UPDATE") else []
            refused(admin, lambda c, s=statement, t=table, n=names: c.execute(
                sql.SQL(s).format(sql.Identifier(t), *map(sql.Identifier, n))))  # fmt: skip
    assert fence.refusals(mover) == len(tables) * 3


def test_a_standby_refuses_all_but_the_mover(sign_in: Callable[..., Connection], mover: Connection) -> None:
    fence.stand_by(mover, reason="it is being filled")
    for role in ("app", "owner", "admin"):
        refused(sign_in(role), create_user)
    mover.execute("INSERT INTO job_errors VALUES (1, 'moved', now())")
    assert fence.standing(mover).state == "standby"
    fence.open_(mover, 2, reason="filled")
    create_user(sign_in("app"))


@pytest.mark.parametrize("isolation", [psycopg.IsolationLevel.REPEATABLE_READ, psycopg.IsolationLevel.SERIALIZABLE])
def test_a_snapshot_from_before_the_closing_does_not_write_past_it(
    sign_in: Callable[..., Connection], mover: Connection, isolation: psycopg.IsolationLevel
) -> None:
    writer = sign_in("app", autocommit=False)
    writer.isolation_level = isolation
    writer.execute("SELECT count(*) FROM tenants")
    fence.close(mover, reason="test")
    assert "the write fence was moved since this transaction began" in str(refused(writer, create_user))
    writer.rollback()
    assert "is refused: this server is closed" in str(refused(writer, create_user))
    writer.rollback()
    assert fence.refusals(mover) == 2
    fence.open_(mover, 3, reason="test")
    create_user(writer)
    writer.commit()


def test_an_older_epoch_cannot_open_again(sign_in: Callable[..., Connection], mover: Connection) -> None:
    assert fence.close(mover, reason="first", successor=SUCCESSOR) == 2
    assert fence.close(mover, reason="first", successor=SUCCESSOR) == 2  # asked twice
    fence.open_(mover, 3, reason="aborted")
    assert fence.close(mover, reason="again", successor=SUCCESSOR) == 4
    for epoch in (1, 3, 4):
        with pytest.raises(fence.EpochTooOld, match=f"epoch {epoch} is not greater than 4"):
            fence.open_(mover, epoch, reason="a straggler")
    owner = sign_in("owner")
    for statement in (
        "UPDATE write_fence SET state = 'open', successor = NULL",
        "UPDATE write_fence SET epoch = 1",
        "DELETE FROM write_fence",
        "TRUNCATE write_fence",
    ):
        with pytest.raises(psycopg.errors.RestrictViolation):
            owner.execute(statement)
    now = fence.standing(mover)
    assert (now.state, now.epoch, now.reason, now.successor) == ("closed", 4, "again", SUCCESSOR)
    fence.open_(mover, 5, reason="on purpose")
    assert fence.standing(mover).is_open


@pytest.mark.parametrize("role", ["app", "operator"])
def test_only_the_mover_moves_it(sign_in: Callable[..., Connection], role: Role) -> None:
    connection = sign_in(role)
    for statement in ("SELECT close_writes('x', NULL)", "SELECT open_writes(9, 'x')", "SELECT stand_by('x')"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)
    for statement in ("UPDATE write_fence SET epoch = 9", "SELECT nextval('write_refusals')"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)


def test_a_successor_is_an_address(mover: Connection) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        fence.close(mover, reason="test", successor="somewhere")
    assert fence.standing(mover).is_open


def test_a_closed_server_is_not_migrated(
    sign_in: Callable[..., Connection], mover: Connection, servers: Servers
) -> None:
    fence.close(mover, reason="moved", successor=SUCCESSOR)
    owner = sign_in("owner")
    owner.execute("UPDATE alembic_version SET version_num = '0006'")
    url = servers.url("owner", owner.info.dbname)
    with pytest.raises(fence.WritesFenced, match="migrate who serves now, 127.0.0.1:6543"):
        upgrade_schema(url)
    assert owner.execute("SELECT version_num FROM alembic_version").fetchone() == ("0006",)
