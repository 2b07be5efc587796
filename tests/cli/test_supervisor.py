"""The supervisor's smaller promises: who is taken for ours, what each part is told, what is refused."""

import dataclasses
import os
import secrets
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import typer
from psutil import Process, pid_exists
from rich.markup import render

from core.cli.explanations import explain
from core.cli.lifecycle import reset
from core.cli.main import COMMANDS, application
from core.cli.supervisor import preflight
from core.cli.supervisor.environment import Environment, adopt_saved, choose
from core.cli.supervisor.errors import StartRefused, StopRequested
from core.cli.supervisor.home import Home
from core.cli.supervisor.parts import Program
from core.cli.supervisor.probes import without_password
from core.cli.supervisor.records import find_record, write_record
from core.cli.supervisor.reporting import Progress
from core.cli.supervisor.state import PartState, State, write_state
from core.cli.supervisor.supervision import PartLost, Supervision
from core.cli.supervisor.tasks import Task
from core.foundation.settings import SettingsInvalid, load_settings

OWNER = "postgresql://cloudbill_owner:word@127.0.0.1:5433/cloudbill"
CACHE = "redis://:word@127.0.0.1:6380/0"


def sleeper(*, child: bool = False) -> "subprocess.Popen[bytes]":
    """A process group of its own, with a child that outlives its parent if wanted."""
    line = "import subprocess, sys, time; print('up', flush=True); time.sleep(60)"
    if child:
        line = (
            "import subprocess, sys, time; subprocess.Popen(['sleep', '60']); print('up', flush=True); time.sleep(60)"
        )
    process = subprocess.Popen([sys.executable, "-c", line], start_new_session=True, stdout=subprocess.PIPE)
    assert process.stdout
    process.stdout.readline()
    return process


def test_a_process_is_ours_only_if_id_start_and_program_agree(tmp_path: Path) -> None:
    with sleeper() as process:
        write_record(tmp_path, "api", process.pid)
        record = find_record(tmp_path, "api")
        assert record
        assert record.find_leader() == Process(process.pid)
        for changed in (
            dataclasses.replace(record, created_at=record.created_at - 60),
            dataclasses.replace(record, executable="/usr/bin/other"),
        ):
            assert changed.find_leader() is None
            assert changed.end() is False
        assert process.poll() is None
        assert record.end() is True
        assert not pid_exists(process.pid)


def test_children_that_outlive_their_leader_are_ended_by_its_group(tmp_path: Path) -> None:
    with sleeper(child=True) as process:
        write_record(tmp_path, "api", process.pid)
        child = Process(process.pid).children()[0].pid
        process.kill()
        process.wait()
        assert pid_exists(child)
        record = find_record(tmp_path, "api")
        assert record
        assert record.end() is True
        assert not pid_exists(child) or Process(child).status() == "zombie"


def test_a_record_that_cannot_be_read_counts_as_none(tmp_path: Path) -> None:
    (tmp_path / "api.json").write_text("{")
    assert find_record(tmp_path, "api") is None
    assert find_record(tmp_path, "worker") is None


@pytest.mark.parametrize(
    ("given", "embedded", "simulator", "why_no_demo"),
    [
        ({}, (True, True), True, ""),
        ({"database_url": OWNER}, (False, True), True, "the database is not the embedded one"),
        ({"db_host": "db"}, (False, True), True, "the database is not the embedded one"),
        ({"redis_url": CACHE}, (True, False), True, ""),
        ({"redis_host": "cache"}, (True, False), True, ""),
        ({"stripe_secret_key": "sk_live_x"}, (True, True), False, "STRIPE_SECRET_KEY is a live key"),
        ({"stripe_secret_key": "rk_live_x"}, (True, True), False, "STRIPE_SECRET_KEY is a live key"),
        ({"stripe_secret_key": "sk_test_x"}, (True, True), False, "Stripe is not the simulator"),
        ({"stripe_api_base": "http://mock:12111"}, (True, True), False, "Stripe is not the simulator"),
    ],
)
def test_what_is_given_replaces_what_would_be_brought(
    given: dict[str, str], embedded: tuple[bool, bool], simulator: bool, why_no_demo: str
) -> None:
    choices = choose(load_settings(**given))
    assert (choices.embedded_database, choices.embedded_cache) == embedded
    assert choices.simulator is simulator
    assert choices.operator is embedded[0]
    assert (choices.demo, choices.why_no_demo) == (not why_no_demo, why_no_demo)


def test_each_part_is_told_only_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATE_LIMIT_MAX_REQUESTS", "7")
    monkeypatch.setenv("METRICS_TOKEN", "metrics")
    settings = load_settings(metrics_token="metrics")
    made = Environment(Home(tmp_path), settings, choose(settings), owner_url=OWNER, cache_url=CACHE)
    ours = {"DATABASE_URL", "DATABASE_APP_URL", "DATABASE_OPERATOR_URL", "REDIS_URL", "ENCRYPTION_KEY", "METRICS_TOKEN"}
    ours |= {"STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET", "STRIPE_API_BASE"}
    assert ours - made.for_owner().keys() == set()
    assert ours - made.for_service().keys() == {"DATABASE_URL"}
    stripes = {"STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET", "STRIPE_API_BASE"}
    assert ours & made.for_simulator().keys() == stripes
    assert ours & made.for_console().keys() == {"REDIS_URL", "STRIPE_API_BASE", "METRICS_TOKEN"}
    assert {part["RATE_LIMIT_MAX_REQUESTS"] for part in (made.for_service(), made.for_console())} == {"7"}
    word = Home(tmp_path).secrets.find("postgres-cloudbill_app")
    assert made.for_service()["DATABASE_APP_URL"] == f"postgresql://cloudbill_app:{word}@127.0.0.1:5433/cloudbill"


def test_an_address_given_by_the_caller_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = "postgresql://me:word@elsewhere/cloudbill"
    monkeypatch.setenv("DATABASE_APP_URL", mine)
    settings = load_settings(database_url=OWNER, database_app_url=mine)
    made = Environment(Home(tmp_path), settings, choose(settings), owner_url=OWNER, cache_url=CACHE)
    assert made.for_service()["DATABASE_APP_URL"] == mine


def test_a_step_that_failed_ends_its_reason_once(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.create()
    for said, told in (("cloudbill: Is it up?", "Is it up? Its"), ("it is down", "it is down. Its")):
        argv = [sys.executable, "-c", f"print({said!r}); raise SystemExit(1)"]
        task = Task("migrate", home, argv=argv, environment=os.environ).start()
        with pytest.raises(StartRefused) as refusal, Progress().step("Schema") as step:
            task.wait(step, Event())
        assert str(refusal.value) == f"Schema failed: {told} log: {task.log}"


def test_generated_keys_are_settings_that_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "token_urlsafe", lambda nbytes: "-_" * nbytes)  # what chance brings now and then
    settings = load_settings()
    made = Environment(Home(tmp_path), settings, choose(settings), owner_url=OWNER, cache_url=CACHE).for_owner()
    for name in ("STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET", "ENCRYPTION_KEY", "TRUSTED_PROXIES"):
        load_settings(**{name.lower(): made[name]})


def test_a_command_reaches_the_servers_of_the_last_start_that_it_means(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, theirs = Home(tmp_path), "postgresql://owner:word@elsewhere:5432/cloudbill"
    for settings, owner in ((load_settings(), OWNER), (load_settings(database_url=theirs), theirs)):
        Environment(home, settings, choose(settings), owner_url=owner, cache_url=CACHE).save()
    monkeypatch.setattr(os, "environ", {})
    parts = {"DB_HOST": "elsewhere", "DB_USER": "owner", "DB_PASSWORD": "word", "DB_NAME": "cloudbill"}
    of_theirs = ("elsewhere:5432", str(tmp_path / "ledger-heads-external"))
    for named, app_place, heads in (
        ({}, "127.0.0.1:5433", None),
        ({"DATABASE_URL": theirs}, *of_theirs),
        (parts, *of_theirs),
        ({"DATABASE_URL": "postgresql://owner:word@third:5432/cloudbill"}, None, None),
        ({**parts, "DB_HOST": "third"}, None, None),
        ({**parts, "DB_PORT": "none"}, None, None),
    ):
        os.environ.clear()
        os.environ.update(named)
        adopt_saved(home)
        app = os.environ.get("DATABASE_APP_URL")
        assert (app.rpartition("@")[2].split("/")[0] if app else None) == app_place
        assert os.environ.get("LEDGER_HEADS_PATH") == heads


def test_a_command_that_names_no_database_reaches_the_one_that_runs_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, theirs = Home(tmp_path), "postgresql://owner:word@elsewhere:5432/cloudbill"
    home.create()
    for settings, owner in ((load_settings(), OWNER), (load_settings(database_url=theirs), theirs)):
        Environment(home, settings, choose(settings), owner_url=owner, cache_url=CACHE).save()
    write_state(home.run, State("running", outside_database=True))
    monkeypatch.setattr(os, "environ", {"CLOUDBILL_HOME": str(tmp_path)})
    with home.exclusively():
        adopt_saved(home)
        assert os.environ["DATABASE_URL"] == theirs
        with pytest.raises(StartRefused, match="CloudBill runs here on another server"):
            reset(yes=True)
    os.environ.pop("DATABASE_URL")
    os.environ.pop("DATABASE_APP_URL")
    os.environ.pop("DATABASE_OPERATOR_URL")
    adopt_saved(home)  # it has ended: the embedded one is meant
    assert os.environ["DATABASE_URL"] == OWNER


def test_generated_keys_stay_the_same(tmp_path: Path) -> None:
    settings = load_settings()
    first, second = (
        Environment(Home(tmp_path), settings, choose(settings), owner_url=OWNER, cache_url=CACHE).for_owner()
        for _ in range(2)
    )
    assert first == second


def test_addresses_are_shown_without_passwords() -> None:
    assert without_password(OWNER) == "postgresql://127.0.0.1:5433/cloudbill"
    assert without_password(CACHE) == "redis://127.0.0.1:6380/0"
    assert without_password("postgresql://u:w@[::1]:5432/db?sslmode=require") == "postgresql://[::1]:5432/db"


def test_one_port_for_two_parts_is_refused() -> None:
    with pytest.raises(StartRefused, match=r"^PORT and CONSOLE_PORT are both 8080: give one of them another port\.$"):
        preflight.check_ports({"PORT": ("127.0.0.1", 8080), "CONSOLE_PORT": ("127.0.0.1", 8080)})


def test_an_address_this_machine_does_not_have_is_named() -> None:
    with pytest.raises(StartRefused, match=r"This machine has no address 192\.0\.2\.1: set HOST to one it has"):
        preflight.check_ports({"PORT": ("192.0.2.1", 8080)})


def test_a_disk_without_room_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "NEEDED_BYTES", 1 << 60)
    with pytest.raises(StartRefused, match=rf"The disk of {tmp_path} has \d+ MB free and at least \d+ MB are needed"):
        preflight.check_disk(tmp_path)


def test_a_full_disk_is_explained_wherever_it_shows() -> None:
    assert explain(OSError(28, "No space left on device", "/data/x")) == (
        "No space left on the disk of /data/x: free some space there, then try again."
    )


def test_a_full_disk_that_no_error_names_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    room = {tmp_path: 0}
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage._replace(free=room.get(Path(place), 1 << 30)))
    monkeypatch.setenv("CLOUDBILL_HOME", str(tmp_path / "not" / "there"))
    assert explain(OSError(28, "No space left on device")).startswith(f"No space left on the disk of {tmp_path}:")


def test_what_is_closed_to_this_account_is_named_with_the_way_out() -> None:
    assert explain(PermissionError(13, "Permission denied", "/data/run/lock")) == (
        "/data/run/lock is closed to this account (Permission denied): run this as its owner, or set CLOUDBILL_HOME "
        "to a folder of your own."
    )


def test_several_wrong_settings_are_told_apart() -> None:
    with pytest.raises(SettingsInvalid) as refusal:
        load_settings(port="none", log_level="loud")
    assert "; LOG_LEVEL: " in explain(refusal.value)


def test_a_step_broken_off_by_the_user_is_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(StopRequested), Progress().step("Console build"):
        raise StopRequested
    assert capsys.readouterr().out == "  Console build: broken off\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_every_command_is_whole(name: str) -> None:
    command: Any = typer.main.get_command(application([name]))
    command = command.commands[name]
    for each in getattr(command, "commands", {name: command}).values():
        assert each.help, each.name
        for option in each.params:
            assert option.help or option.hidden, (each.name, option.name)
            # What looks like markup would not be shown.
            assert render(option.help or "").plain == (option.help or ""), (each.name, option.name)


def test_a_part_that_does_not_stay_up_ends_the_installation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("core.cli.supervisor.supervision._BACK_OFF_SECONDS", (0.0, 0.0))
    home = Home(tmp_path)
    home.create()
    part = Program(
        "worker",
        "Worker",
        url="http://127.0.0.1:9",
        probe=lambda: False,
        argv=[sys.executable, "-c", "print('no database'); raise SystemExit(3)"],
        environment=os.environ,
        log=home.log / "worker.log",
    )
    part.start()
    state = State("running", {"worker": PartState(part.url)})
    with pytest.raises(PartLost, match=r"^Worker ended 3 times in a short while: no database\. Its log: "):
        Supervision(home, [part], Progress(), Event(), state=state).watch()
    assert capsys.readouterr().out.count("Worker ended with code 3. It said last") == 3


def test_being_told_to_stop_ends_the_watch(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.create()
    stop = Event()
    threading.Timer(0.1, stop.set).start()
    Supervision(home, [], Progress(), stop, state=State("running")).watch()
    assert stop.is_set()
