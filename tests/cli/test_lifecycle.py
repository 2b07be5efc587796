"""Starts, stops, kills and refusals of an installation, with real servers, real processes and small programs."""

import json
import os
import signal
import socket
import subprocess
from contextlib import suppress

import psycopg
from psutil import Process, pid_exists

from core.foundation.embedded.ports import free_port
from tests.cli.conftest import Installation

PARTS = ["api", "console", "stripe", "database", "cache", "worker"]


def one_line_refusal(answer: "subprocess.CompletedProcess[str]") -> str:
    """The single line on standard error of a command that failed."""
    assert answer.returncode != 0, answer.stdout
    lines = answer.stderr.strip().splitlines()
    assert len(lines) == 1, answer.stderr
    assert "Traceback" not in answer.stdout
    return lines[0]


def test_status_of_nothing_says_so_and_fails(installation: Installation) -> None:
    answer = installation.run("status", "--format", "json")
    assert answer.returncode == 1
    assert answer.stderr == ""
    parts = json.loads(answer.stdout)
    assert list(parts) == PARTS
    assert [part["healthy"] for part in parts.values()] == [False] * 6


def test_up_in_the_background_status_and_down(installation: Installation) -> None:
    started = installation.run("up", "--detach", small=True)
    assert started.returncode == 0, started.stdout + started.stderr
    assert "CloudBill is up" in started.stdout
    assert installation.home.secrets.find("operator-password") in started.stdout

    state = installation.run("status", "--format", "json")
    assert state.returncode == 0
    parts = json.loads(state.stdout)
    assert list(parts) == PARTS
    assert [part["healthy"] for part in parts.values()] == [True] * 6
    assert "@" not in state.stdout
    assert parts["api"]["url"] == f"http://127.0.0.1:{installation.environment['PORT']}"
    assert (installation.home.log / "supervisor.log").read_text().find("assword") == -1

    again = one_line_refusal(installation.run("up", small=True))
    assert again == (
        "cloudbill: CloudBill already runs here: see `cloudbill status`, or stop it with `cloudbill down` first."
    )
    assert one_line_refusal(installation.run("up", "--detach", small=True)) == again

    stopped = installation.run("down")
    assert (stopped.returncode, stopped.stdout) == (0, "Stopping CloudBill ...\nStopped.\n")
    assert installation.run("down").stdout == "CloudBill does not run here.\n"
    assert installation.run("status").returncode == 1


def test_ctrl_c_stops_everything_and_the_data_stays(installation: Installation) -> None:
    for expected in (None, "kept"):
        process = installation.start()
        installation.wait_until(lambda: installation.run("status").returncode == 0)
        url = json.loads(installation.home.secrets.find("environment") or "{}")["DATABASE_URL"]
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS notes AS SELECT NULL::text AS said")
            assert connection.execute("SELECT said FROM notes").fetchone() == (expected,)
            connection.execute("UPDATE notes SET said = 'kept'")
        pids = [installation.pid(name) for name in PARTS]
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0, output
        stops = [line.split("Stopping ")[1].split(":")[0] for line in output.splitlines() if ": stopped (" in line]
        assert stops == ["Console", "Worker", "Api", "Stripe", "Valkey", "PostgreSQL"]
        assert [pid for pid in pids if pid_exists(pid)] == []


def test_a_terminal_that_is_closed_leaves_nothing_running(installation: Installation) -> None:
    process = installation.start()
    installation.wait_until(lambda: installation.run("status").returncode == 0)
    pids = [installation.pid(name) for name in PARTS]
    assert process.stdout
    process.stdout.close()  # from now on, whatever it says fails
    process.send_signal(signal.SIGHUP)
    assert process.wait(timeout=60) == 0
    assert [pid for pid in pids if pid_exists(pid)] == []


def test_what_a_killed_supervisor_left_is_ended_by_the_next_start_or_by_down(installation: Installation) -> None:
    assert installation.run("up", "--detach", small=True).returncode == 0
    for words, said in (
        (("up", "--detach"), "A start that was killed had left processes running; ended: "),
        (("down",), "Ended what a killed start had left: "),
    ):
        orphans = [installation.pid(name) for name in PARTS]
        os.kill(installation.pid("supervisor"), signal.SIGKILL)
        assert all(pid_exists(pid) for pid in orphans)
        answer = installation.run(*words, small=True)
        assert answer.returncode == 0, answer.stdout + answer.stderr
        assert said in answer.stdout
        ended = answer.stdout.split(said)[1].split(".\n")[0].split(", ")
        assert sorted(ended) == sorted(f"{name} (process {pid})" for name, pid in zip(PARTS, orphans, strict=True))
        assert [pid for pid in orphans if pid_exists(pid)] == []


def test_parts_that_die_are_named_and_started_again_where_they_were(installation: Installation) -> None:
    assert installation.run("up", "--detach", small=True).returncode == 0
    dying = {"api": "Api", "database": "PostgreSQL", "cache": "Valkey"}
    before, addresses = {name: installation.pid(name) for name in dying}, installation.status()
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)

    def are_back() -> bool:
        with suppress(OSError, ValueError):
            again = all(installation.pid(name) != pid for name, pid in before.items())
            return again and installation.run("status").returncode == 0
        return False

    installation.wait_until(are_back)
    assert installation.status() == addresses
    said = (installation.home.log / "supervisor.log").read_text()
    for title in dying.values():
        assert f"! {title} ended with code -9. It said last" in said
        assert f"{title} was started again" in said


def test_a_program_that_does_not_start_is_explained_and_the_rest_is_stopped(installation: Installation) -> None:
    refusal = one_line_refusal(installation.run("up", small=True, SMALL_FAULT="api"))
    assert refusal.startswith("cloudbill: Api ended with code 3: no luck today. Its log: ")
    assert not (installation.home.postgres / "postmaster.pid").exists()
    assert not installation.home.is_held()
    in_background = installation.run("up", "--detach", small=True, SMALL_FAULT="api")
    assert in_background.returncode == 1
    assert in_background.stdout.strip().splitlines()[-1] == refusal


def test_a_step_that_fails_is_explained_by_its_own_last_line(installation: Installation) -> None:
    refusal = one_line_refusal(installation.run("up", small=True, SMALL_TASK_FAULT="1"))
    assert refusal.startswith("cloudbill: Database schema failed: The cellar is flooded. Its log: ")


def test_a_taken_port_is_refused_before_anything_starts_and_names_its_holder(installation: Installation) -> None:
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # as granian does
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        refusal = one_line_refusal(installation.run("up", CONSOLE_PORT=str(port)))
    name = Process().name()
    assert refusal == (
        f"cloudbill: Port {port} is taken by {name} (process {os.getpid()}): end that, or choose another: "
        f"CONSOLE_PORT={port + 1}."
    )
    assert not installation.home.postgres.exists()


def test_a_setting_that_cannot_work_is_named(installation: Installation) -> None:
    assert "RATE_LIMIT_WINDOW_MS" in one_line_refusal(installation.run("up", RATE_LIMIT_WINDOW_MS="soon"))
    refusal = one_line_refusal(installation.run("up", DATABASE_URL="mysql://somebody:secret-word@somewhere/db"))
    assert "DATABASE_URL" in refusal
    assert "secret-word" not in refusal


def test_a_database_that_does_not_answer_is_named_without_its_password(installation: Installation) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        url = f"postgresql://cloudbill_owner:secret-word@127.0.0.1:{port}/cloudbill"
        refusal = one_line_refusal(installation.run("up", small=True, DATABASE_URL=url))
    assert refusal == (
        f"cloudbill: PostgreSQL at postgresql://127.0.0.1:{port}/cloudbill does not answer: start it, or correct "
        "DATABASE_URL."
    )


def test_a_redis_that_does_not_let_us_in_is_named_without_its_password(installation: Installation) -> None:
    assert installation.run("up", "--detach", small=True).returncode == 0
    port = installation.status()["cache"]["url"].split(":")[-1].split("/")[0]
    second = installation.home.folder / "second"
    settings = {name: str(free_port()) for name in ("PORT", "CONSOLE_PORT", "STRIPE_PORT")}
    settings |= {"CLOUDBILL_HOME": str(second), "REDIS_URL": f"redis://:secret-word@127.0.0.1:{port}/0"}
    refusal = one_line_refusal(installation.run("up", small=True, **settings))
    assert refusal.startswith(f"cloudbill: Redis at redis://127.0.0.1:{port}/0 does not let us in (")
    assert refusal.endswith("): correct REDIS_URL.")
    assert "secret-word" not in refusal


def test_reset_deletes_embedded_data_and_no_other(installation: Installation) -> None:
    assert installation.run("up", "--detach", small=True).returncode == 0
    refusal = one_line_refusal(installation.run("reset", "--yes", DATABASE_URL="postgresql://o:w@elsewhere/cloudbill"))
    assert refusal.startswith("cloudbill: `reset` deletes embedded data only")
    assert installation.run("status").returncode == 0
    installation.home.external_secrets.put("encryption-key", "of another database")

    assert installation.run("reset").returncode == 1  # nobody there to say yes
    assert installation.run("reset", "--yes").returncode == 0
    assert installation.run("status").returncode == 1
    left = sorted(path.name for path in installation.home.folder.iterdir())
    assert left == ["log", "secrets-external"]
    assert installation.home.external_secrets.find("encryption-key") == "of another database"


def test_data_of_another_version_stops_the_start_with_the_way_out(installation: Installation) -> None:
    installation.home.postgres.mkdir()
    (installation.home.postgres / "PG_VERSION").write_text("16\n")
    for name in ("global", "base", "pg_wal"):
        (installation.home.postgres / name).mkdir()
    (installation.home.postgres / "global" / "pg_control").touch()
    refusal = one_line_refusal(installation.run("up", small=True))
    assert refusal == (
        f"cloudbill: PostgreSQL 18 cannot read {installation.home.postgres}, which version 16 wrote: dump it with that "
        "version and load the dump, or start anew with `cloudbill reset`."
    )
