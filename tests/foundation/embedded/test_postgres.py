import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from core.cli.supervisor.parts import Embedded
from core.foundation.embedded.errors import AlreadyRunning, BinaryMissing, DataUnreadable, DiskFull, WrongVersion
from core.foundation.embedded.postgres import EmbeddedPostgres, bundled_binaries

DEBIAN = Path("/usr/lib/postgresql/15/bin")
as_root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to change the account")


def value(url: str, query: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(query.encode()).fetchone()
        assert row
        return row[0]


def test_a_new_one_is_version_18_durable_and_ready_for_logical_decoding(postgres: EmbeddedPostgres) -> None:
    with postgres.start():
        assert value(postgres.url(), "SELECT current_setting('server_version_num')::int / 10000") == 18
        names = ("fsync", "synchronous_commit", "full_page_writes", "wal_level", "data_checksums", "TimeZone")
        settings = [value(postgres.url(), f"SHOW {name}") for name in names]
        assert settings == ["on", "on", "on", "logical", "on", "UTC"]
        assert value(postgres.url(), "SELECT lower('ÄÉ')") == "äé"
        assert value(
            postgres.url(), "SELECT listen_addresses FROM current_setting('listen_addresses') listen_addresses"
        )


def test_the_owner_owns_its_database_and_is_no_superuser(postgres: EmbeddedPostgres) -> None:
    with postgres.start():
        query = "SELECT (rolname, rolsuper, rolcreaterole, rolcreatedb, rolbypassrls)::text FROM pg_roles r WHERE {}"
        assert value(postgres.url(), query.format("rolname = current_user")) == "(cloudbill_owner,f,t,f,f)"
        owner = "oid = (SELECT datdba FROM pg_database WHERE datname = 'cloudbill')"
        assert value(postgres.url(), query.format(owner)) == "(cloudbill_owner,f,t,f,f)"


def test_nobody_gets_in_without_a_password_by_socket_or_network(postgres: EmbeddedPostgres) -> None:
    with postgres.start():
        for host in (postgres.host, str(postgres.socket_dir)):
            with pytest.raises(psycopg.OperationalError, match="password"):
                psycopg.connect(host=host, port=postgres.port, user="postgres", password="wrong", dbname="postgres")
        with psycopg.connect(postgres.url(), host=str(postgres.socket_dir)) as connection:
            assert connection.info.user == "cloudbill_owner"


STARTS_AND_HEARS_CTRL_C = """
import signal, sys
from pathlib import Path
from core.foundation.embedded.postgres import EmbeddedPostgres
signal.signal(signal.SIGINT, lambda *_: print("heard"))
with EmbeddedPostgres(Path(sys.argv[1])).start():
    pass
"""


def test_ctrl_c_while_its_data_is_made_does_not_damage_it(postgres: EmbeddedPostgres) -> None:
    unfinished = postgres.data_dir.with_name("postgres.unfinished")
    process = subprocess.Popen(
        [sys.executable, "-c", STARTS_AND_HEARS_CTRL_C, str(postgres.data_dir)],
        start_new_session=True,  # as a shell starts it: a process group of its own, which Ctrl-C reaches whole
        stdout=subprocess.PIPE,
        text=True,
    )
    while not (unfinished / "global" / "pg_control").exists():
        assert process.poll() is None
        time.sleep(0.005)
    while unfinished.exists():
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.05)
    output, _ = process.communicate(timeout=60)
    assert (process.returncode, set(output.splitlines())) == (0, {"heard"})


def test_secrets_are_readable_by_their_owner_alone(postgres: EmbeddedPostgres) -> None:
    with postgres.start():
        files = sorted(postgres.secrets.folder.iterdir())
        assert [file.name for file in files] == [
            "postgres-cloudbill_backup",
            "postgres-cloudbill_owner",
            "postgres-postgres",
        ]
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
        assert stat.S_IMODE(postgres.secrets.folder.stat().st_mode) == 0o700


def test_what_was_committed_survives_a_kill(postgres: EmbeddedPostgres) -> None:
    with postgres.start():
        with psycopg.connect(postgres.url()) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        assert postgres.pid
        os.kill(postgres.pid, signal.SIGKILL)
        while postgres.running:
            pass
        first_port = postgres.port
        postgres.start()
        assert value(postgres.url(), "SELECT answer FROM kept") == 42
        assert postgres.port == first_port


def test_a_second_server_on_the_same_data_is_refused_and_names_the_first(postgres: EmbeddedPostgres) -> None:
    with postgres.start():
        second = EmbeddedPostgres(postgres.data_dir)
        with pytest.raises(AlreadyRunning, match=rf"already runs on .* \(process {postgres.pid}\): stop it with"):
            second.start()
        assert value(postgres.url(), "SELECT 1") == 1


def test_a_stale_mark_of_a_process_that_is_somebody_elses_now_does_not_hinder(postgres: EmbeddedPostgres) -> None:
    with postgres.start():
        data = postgres.data_dir
    (data / "postmaster.pid").write_text(f"{os.getpid()}\n{data}\n1\n5432\n\n127.0.0.1\n1 1\nready\n")
    with postgres.start():
        assert value(postgres.url(), "SELECT 1") == 1


def test_data_of_another_major_version_is_left_alone_and_explained(postgres: EmbeddedPostgres) -> None:
    with postgres.start():
        data = postgres.data_dir
    (data / "PG_VERSION").write_text("16\n")
    with pytest.raises(WrongVersion, match=r"PostgreSQL 18 cannot read .*, which version 16 wrote: dump it"):
        postgres.start()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda data: (data / "global" / "pg_control").write_bytes(b"\0" * 8192), "cannot use its data in"),
        (lambda data: (data / "global" / "pg_control").unlink(), "global/pg_control is missing"),
        (lambda data: (data / "PG_VERSION").unlink(), "it holds files, but no PG_VERSION"),
        (lambda data: shutil.rmtree(data / "pg_wal"), "pg_wal is missing"),
        (lambda data: [file.unlink() for file in (data / "pg_wal").iterdir() if file.is_file()], "checkpoint record"),
    ],
    ids=["control file zeroed", "control file gone", "version gone", "log gone", "log emptied"],
)
def test_damaged_data_is_explained_in_one_line(postgres: EmbeddedPostgres, damage: object, said: str) -> None:
    with postgres.start():
        data = postgres.data_dir
    assert callable(damage)
    damage(data)
    with pytest.raises(DataUnreadable, match=said) as caught:
        postgres.start()
    assert "\n" not in str(caught.value)
    assert "cloudbill reset" in str(caught.value)
    assert not postgres.running


def test_a_question_that_came_too_early_is_not_why_a_server_ended(postgres: EmbeddedPostgres) -> None:
    with postgres.start():
        data = postgres.data_dir
    postgres.log.write_text(
        "2026-11-22 19:10:01 GMT [11] FATAL:  the database system is starting up\n"
        "2026-11-22 19:10:01 GMT [12] LOG:  invalid checkpoint record\n"
        "2026-11-22 19:10:01 GMT [12] PANIC:  could not locate a valid checkpoint record at 0/175E078\n"
    )
    assert "could not locate a valid checkpoint record" in str(postgres._failure(data))


def test_a_start_that_was_killed_while_making_the_data_leaves_nothing_in_the_way(postgres: EmbeddedPostgres) -> None:
    unfinished = postgres.data_dir.with_name("postgres.unfinished")
    (unfinished / "base").mkdir(parents=True)
    with postgres.start():
        assert value(postgres.url(), "SELECT 1") == 1
    assert not unfinished.exists()


def test_lost_passwords_are_set_anew(postgres: EmbeddedPostgres) -> None:
    with postgres.start():
        before = postgres.url()
    shutil.rmtree(postgres.secrets.folder)
    with postgres.start():
        assert postgres.url() != before
        assert value(postgres.url(), "SELECT current_user") == "cloudbill_owner"


def test_the_callers_postgres_variables_change_nothing(
    postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, content in {"PGDATA": "/nowhere", "PGPORT": "1", "LC_ALL": "xx_YY", "TZ": "Asia/Tokyo"}.items():
        monkeypatch.setenv(name, content)
    with postgres.start():
        assert value(postgres.url(), "SHOW timezone") == "UTC"


def test_a_long_path_still_has_a_short_socket(folder: Path) -> None:
    server = EmbeddedPostgres(folder / ("long-" * 20) / "postgres")
    try:
        with server.start():
            assert len(str(server.socket_dir)) < 80
            with psycopg.connect(server.url(), host=str(server.socket_dir)) as connection:
                assert connection.info.user == "cloudbill_owner"
    finally:
        server.delete()
    assert not server.socket_dir.exists()


def test_programs_that_are_not_there_are_explained(folder: Path) -> None:
    with pytest.raises(BinaryMissing, match=r"no postgres in .*: install the `embedded` extra"):
        EmbeddedPostgres(folder / "postgres", folder / "bin").start()


@as_root_only
def test_below_a_closed_folder_the_data_goes_elsewhere_and_no_permission_changes(folder: Path) -> None:
    closed = folder / "home"
    closed.mkdir(mode=0o700)
    installation = bundled_binaries().parent
    package = installation.parent
    programs = closed / package.name / installation.name
    shutil.copytree(installation, programs, ignore=shutil.ignore_patterns("include", "*.a"), symlinks=True)
    shutil.copytree(package.with_name(package.name + ".libs"), closed / f"{package.name}.libs")
    server = EmbeddedPostgres(closed / "postgres", programs / "bin", elsewhere=folder / "elsewhere")
    try:
        with server.start():
            assert value(server.url(), "SELECT 1") == 1
            assert server.data_dir.is_symlink()
            assert server.data_dir.resolve().parent == folder / "elsewhere"
            assert server.binaries == folder / "elsewhere" / "postgresql-18.4" / package.name / "pginstall18" / "bin"
        with server.start():  # found again by the link
            assert value(server.url(), "SELECT 1") == 1
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    finally:
        server.delete()
    assert not server.data_dir.is_symlink()
    assert [path.name for path in (folder / "elsewhere").iterdir()] == ["postgresql-18.4"]


@pytest.mark.skipif(not DEBIAN.exists(), reason="PostgreSQL 15 is not installed")
def test_the_same_class_runs_debians_postgres(folder: Path) -> None:
    server = EmbeddedPostgres(folder / "postgres", DEBIAN)
    try:
        with server.start():
            assert value(server.url(), "SELECT current_setting('server_version_num')::int / 10000") == 15
            assert value(server.url(), "SELECT lower('ÄÉ')") == "äé"
    finally:
        server.delete()


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A disk of 60 MB of its own, where we may make one."""
    place = Path(tempfile.mkdtemp(prefix="cloudbill-disk-"))
    mounted = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=60m,mode=755", "tmpfs", str(place)], capture_output=True, check=False
    )
    if not mounted or mounted.returncode:
        place.rmdir()
        pytest.skip("a small disk cannot be mounted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)
    place.rmdir()


def test_a_full_disk_is_named_and_after_freeing_it_all_is_well(small_disk: Path) -> None:
    (small_disk / "ballast").write_bytes(b"\0" * 40 * 1024 * 1024)
    server = EmbeddedPostgres(small_disk / "postgres", options={"shared_buffers": "32MB"})
    with pytest.raises(DiskFull, match=rf"no space left on the disk of {small_disk}/postgres: free some space"):
        server.start()
    (small_disk / "ballast").unlink()
    with server.start():
        assert value(server.url(), "SELECT 1") == 1


def test_a_role_that_moves_may_follow_its_changes(postgres: EmbeddedPostgres) -> None:
    with postgres.start():
        with psycopg.connect(postgres.url(), autocommit=True) as owner:
            owner.execute("CREATE ROLE cloudbill_mover LOGIN")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):  # an ordinary owner may not give it
                owner.execute("ALTER ROLE cloudbill_mover REPLICATION")
        postgres.let_replicate("cloudbill_mover")
        asked = "SELECT rolreplication FROM pg_roles WHERE rolname = 'cloudbill_mover'"
        assert value(postgres.url(), asked) is True


def test_what_a_failover_started_is_taken_over_where_it_was(postgres: EmbeddedPostgres) -> None:
    part = Embedded("database", "PostgreSQL", server=postgres)
    part.start()
    address = part.url
    part.stop()
    other = EmbeddedPostgres(postgres.data_dir, secrets=postgres.secrets.folder, port=postgres.port).start()
    try:
        assert not part.running
        part.restart()
        assert (part.running, part.pid, other.running, part.url) == (True, other.pid, True, address)
        assert value(postgres.url(), "SELECT 1") == 1
        part.stop()
        assert (part.running, other.running) == (False, False)
    finally:
        other.stop()
        part.stop()
