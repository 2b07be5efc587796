"""A move between servers that are not as they should be: full disks, clocks apart, an expired certificate.

Each is told by its name, the source goes on, and what can be mended is gone on with.
"""

import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from core.foundation.embedded import postgres_data
from core.foundation.embedded.account import find_account
from core.operations.transfer.moving.errors import ServerUnreachable
from core.operations.transfer.moving.journal import Ends
from core.operations.transfer.moving.preflight import look
from core.operations.transfer.moving.servers import Endpoint
from tests.support.certificates import Authority
from tests.support.moved_books import furnish
from tests.support.movers import Moving
from tests.support.twins import MOVER, WORD, Place, Twins

FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")
ONE_MEGABYTE_EACH = (
    "UPDATE customers SET name = (SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 30000)) "
    "WHERE NOT is_self"
)


@contextmanager
def small_disk(place: Path, size: str) -> Iterator[Path]:
    """A file system of that size at `place`, as far as this machine lets us make one."""
    place.mkdir(exist_ok=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(place)], check=False).returncode:
        pytest.skip("no tmpfs can be mounted here")
    try:
        account = find_account()
        if account is not None:
            os.chown(place, account.uid, account.gid)
        place.chmod(0o700)
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def make_room(place: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=400m", str(place)], check=True)


def source_serves(source: Place) -> None:
    with source.connect("app") as app:
        app.execute("SELECT create_user(gen_random_uuid(), gen_random_uuid() || '@b.test', 'A', 'x')")


def test_a_full_disk_of_either_side_is_named_and_gone_on_with(
    twins: Twins, pair: tuple[Place, Place], tmp_path: Path
) -> None:
    source, usual = pair
    furnish(source, tenants=1, users=12)
    with (
        small_disk(twins.folder / "small", "22m") as of_target,
        # Where the source puts by what it decodes of a transaction that is large: a place of its own, and a small one.
        small_disk(source.server.data_dir.resolve() / "pg_replslot", "1m") as of_source,
        source.connect("admin") as there,
        usual.connect("admin") as here,
    ):
        there.execute("ALTER SYSTEM SET logical_decoding_work_mem = '64kB'")
        there.execute("SELECT pg_reload_conf()")
        there.execute(ONE_MEGABYTE_EACH)
        here.execute(f"CREATE TABLESPACE small LOCATION '{of_target}'")
        target = Place(usual.server, f"{usual.database}_small")
        here.execute(
            f"CREATE DATABASE {target.database} OWNER cloudbill_owner TEMPLATE template_twin STRATEGY file_copy "
            "TABLESPACE small"
        )
        moving = Moving(source, target, tmp_path / "home")
        try:
            filled = moving.here("start", "--yes")
            assert f"no space left on the disk of the target 127.0.0.1:{target.server.port}" in filled
            assert "make room there, then `cloudbill move resume`" in filled
            source_serves(source)
            make_room(of_target)
            moving.spawn("resume", "--wait-before-switch")
            moving.wait_until(lambda: moving.step.startswith("near: waits"))
            there.execute(ONE_MEGABYTE_EACH)
            assert moving.process
            assert moving.process.wait(60) == 1
            assert f"no space left on the disk of the source 127.0.0.1:{source.server.port}" in moving.last_words(3)
            source_serves(source)
            make_room(of_source)
            moved = moving.here("resume", "--exit-after-switch")
            assert moving.phase == "switched", moved
            assert "finished" in moving.here("finish", "--yes")
        finally:
            moving.end()
            twins.drop(target)
            here.execute("DROP TABLESPACE small")
            there.execute("ALTER SYSTEM RESET logical_decoding_work_mem")
            there.execute("SELECT pg_reload_conf()")
            there.execute("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE NOT active")


def test_clocks_that_are_apart_are_refused(
    twins: Twins, pair: tuple[Place, Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    if not FAKETIME.exists():
        pytest.skip("libfaketime is not installed (Debian has it)")
    source, target = pair
    environment = postgres_data.clean_environment() | {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME": "+3600",
        "DONT_FAKE_MONOTONIC": "1",
    }
    source.server.stop()
    monkeypatch.setattr(postgres_data, "clean_environment", lambda: environment)
    try:
        source.server.start()
        found = blocked(source, target)
    finally:
        monkeypatch.undo()
        source.server.stop()
        source.server.start()
    assert list(found) == ["both clocks"]
    assert found["both clocks"].startswith("the target's clock is 3600 s behind the source's: mend the wrong one (NTP)")
    assert blocked(source, target) == {}


def test_an_expired_certificate_is_named(pair: tuple[Place, Place]) -> None:
    source, _ = pair
    if not str(source.server.binaries).startswith("/usr/lib/postgresql"):
        pytest.skip("Debian's PostgreSQL 15 is not installed, and the embedded one has no TLS")
    folder = source.server.data_dir.resolve()
    authority = Authority(folder, "authority")
    url = f"postgresql://{MOVER}:{WORD}@127.0.0.1:{source.server.port}/{source.database}?sslmode=verify-full"

    def said(days: int) -> str:
        files = authority.certify("127.0.0.1", days=days)
        account = find_account()
        for file, name in zip(files, ("ssl_cert_file", "ssl_key_file"), strict=True):
            if account is not None:
                os.chown(file, account.uid, account.gid)
            with source.connect("admin") as admin:
                admin.execute(f"ALTER SYSTEM SET {name} = '{file}'")
        with source.connect("admin") as admin:
            admin.execute("ALTER SYSTEM SET ssl = on")
            admin.execute("SELECT pg_reload_conf()")
        root = shutil.copy(authority.file, folder.parent / "authority.pem")
        for _ in range(100):  # the postmaster reads its files when it comes to it
            try:
                with Endpoint("source", f"{url}&sslrootcert={root}").connect("probe"):
                    answer = "fine"
            except ServerUnreachable as error:
                answer = error.detail
            if (answer == "fine") == (days > 0):
                break
        return answer

    try:
        assert said(1) == "fine"
        expected = f"the source 127.0.0.1:{source.server.port}/{source.database}: its certificate has expired (2"
        assert said(-1).startswith(expected)
    finally:
        with source.connect("admin") as admin:
            for name in ("ssl", "ssl_cert_file", "ssl_key_file"):
                admin.execute(f"ALTER SYSTEM RESET {name}")
            admin.execute("SELECT pg_reload_conf()")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            b'FATAL\0C42704\0Munrecognized configuration parameter "client_connection_check_interval"\0\0',
            "it is older than PostgreSQL 14, and 15 or newer is needed",
        ),
        (b"", "is not reachable: "),
    ],
    ids=["PostgreSQL 13", "no PostgreSQL"],
)
def test_a_server_that_is_too_old_or_another_thing_is_named(answer: bytes, said: str) -> None:
    with answering(answer) as port, pytest.raises(ServerUnreachable) as refused:
        Endpoint("target", f"postgresql://mover:secret-word@127.0.0.1:{port}/cloudbill").connect("probe")
    assert refused.value.detail.startswith(f"the target 127.0.0.1:{port}/cloudbill")
    assert said in refused.value.detail
    assert "secret-word" not in refused.value.detail


@contextmanager
def answering(error: bytes) -> Iterator[int]:
    """Refuses every connection with that error of PostgreSQL's, or speaks another protocol."""
    listener = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        while True:
            try:
                line, _ = listener.accept()
            except OSError:
                return
            with line:
                asked = line.recv(4096)
                if not error:
                    line.sendall(b"-ERR unknown command\r\n")
                    continue
                while asked[4:8] in (b"\x04\xd2\x16\x2f", b"\x04\xd2\x16\x30"):  # TLS, GSS: no
                    line.sendall(b"N")
                    asked = line.recv(4096)
                body = b"S" + error
                line.sendall(b"E" + (len(body) + 4).to_bytes(4, "big") + body)

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def blocked(source: Place, target: Place) -> dict[str, str]:
    report = look(Ends.of(source.url("mover"), target.url("mover"), target.url("owner")))
    return {f"{one.side} {one.what}": one.detail for one in report.blocked}
