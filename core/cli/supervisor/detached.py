"""A start in the background: its progress is shown here until all is healthy, or until it failed."""

import subprocess
import time
from pathlib import Path

import typer

from core.cli.supervisor.errors import StartRefused
from core.cli.supervisor.home import RUNS_ALREADY, SOURCES, Home
from core.cli.supervisor.preflight import check_disk
from core.cli.supervisor.state import clear_state, find_state
from core.cli.supervisor.summary import show_summary
from core.cli.supervisor.tasks import command
from core.foundation.settings import load_settings


def start_detached(home: Home) -> None:
    """Return when all is healthy. Exits with the background process's code when it ends before."""
    load_settings()
    home.create()
    if home.is_held():
        raise StartRefused(RUNS_ALREADY)
    check_disk(home.folder)  # here, too: on a full disk the background process could not even say so
    clear_state(home.run)  # that of a killed start would tell of another
    log = home.log / "supervisor.log"
    with log.open("wb") as output:
        supervisor = subprocess.Popen(
            command("up", "--supervise"),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=SOURCES,
            start_new_session=True,
        )
    try:
        shown = 0
        while not _is_running(home) and supervisor.poll() is None:
            shown = _show(log, shown)
            time.sleep(0.1)
        _show(log, shown)
    except KeyboardInterrupt:
        supervisor.terminate()
        supervisor.wait()
        raise
    if supervisor.poll() is not None:
        raise typer.Exit(supervisor.returncode or 1)
    state = find_state(home.run)
    if state:
        show_summary(home, state, last_line="It runs in the background; `cloudbill down` stops it, the data stays.")


def _is_running(home: Home) -> bool:
    state = find_state(home.run)
    return state is not None and state.phase == "running"


def _show(log: Path, offset: int) -> int:
    with log.open("rb") as output:
        output.seek(offset)
        text = output.read()
    whole, newline, _ = text.rpartition(b"\n")
    if newline:
        typer.echo(whole.decode("utf-8", "replace"))
    return offset + len(whole) + len(newline)
