"""The commands of backups and restores, as a person types them beside an installation that runs."""

import json

from tests.cli.conftest import Installation
from tests.cli.test_lifecycle import PARTS, one_line_refusal


def test_from_a_backup_to_a_restored_server_by_commands_alone(installation: Installation) -> None:
    run = installation.run
    assert run("up", "--detach", small=True).returncode == 0
    assert "No backups in" in run("backup", "list").stdout
    made = json.loads(run("backup", "create", "--format", "json").stdout)
    application = json.loads(run("backup", "create", "--application", "--format", "json").stdout)
    assert (made["kind"], made["reason"], application["kind"]) == ("database", "manual", "application")
    listed = json.loads(run("backup", "list", "--format", "json").stdout)
    assert [backup["id"] for backup in listed["backups"]] == [made["id"], application["id"]]
    verified = json.loads(run("backup", "verify", "--format", "json").stdout)
    assert verified == {"verified": True, "findings": [], "backups": 2, "segments": 0, "opened": True}

    restored = json.loads(run("restore", "--to", made["id"], "--into", "beside", "--format", "json").stdout)
    assert (restored["name"], restored["backup"], restored["target"]) == ("beside", made["id"], "backup")
    assert run("restored", "list").stdout.split() == ["beside", "runs", "at", f"127.0.0.1:{restored['port']}"]
    looked = run("restored", "psql", "beside", "--", "-Atc", "SELECT current_user, current_database()")
    assert looked.stdout == "cloudbill_owner|cloudbill\n"
    assert "is there already" in one_line_refusal(run("restore", "--to", "latest", "--into", "beside"))
    assert "cloudbill down" in one_line_refusal(run("restored", "use", "beside", "--yes"))
    assert run("restored", "stop", "beside").stdout == "beside was stopped.\n"
    assert run("restored", "drop", "beside", "--yes").stdout == "beside is gone.\n"
    assert run("restored", "list").stdout == "Nothing was restored here.\n"

    assert "cannot be reached; what can be: the backup of" in one_line_refusal(
        run("restore", "--to", "2001-01-01T00:00:00Z", "--into", "early")
    )
    assert "no base backup 20010101T000000000Z" in one_line_refusal(
        run("restore", "--to", "20010101T000000000Z", "--into", "unknown")
    )
    assert "there is no private key in" in one_line_refusal(
        run("restore", "--to", "latest", "--into", "keyless", "--identity", "/nowhere")
    )
    for wrong in ("yesterday", "2026-11-21T20:18:32"):
        assert run("restore", "--to", wrong, "--into", "wrong").returncode == 2
    opened = run("backup", "open", application["id"], "--into", str(installation.home.folder / "opened"))
    assert "home/secrets/environment" in opened.stdout.splitlines()

    path = installation.home.folder / "backups" / made["file"]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    damaged = run("backup", "verify")
    assert damaged.returncode == 1
    assert f"{made['id']}: {made['file']} is altered" in damaged.stdout
    assert "[file_altered]" in damaged.stdout


def test_backups_that_cannot_be_kept_up_stop_nothing_else(installation: Installation) -> None:
    started = installation.run("up", "--detach", small=True, SMALL_FAULT="backups")
    assert started.returncode == 0, started.stdout + started.stderr
    log = installation.home.log / "supervisor.log"
    installation.wait_until(lambda: log.read_text().count("Backups ended with code 3") > 6)
    assert list(installation.status()) == PARTS
    assert all(part["healthy"] for part in installation.status().values())
