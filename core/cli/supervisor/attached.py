"""A start in this process: it supervises until Ctrl-C, SIGTERM or `cloudbill down`, then stops everything."""

import os
import signal
import sys
from threading import Event
from types import FrameType

from core.cli.supervisor.environment import OPERATOR_EMAIL
from core.cli.supervisor.errors import StartRefused, StopRequested
from core.cli.supervisor.home import Home
from core.cli.supervisor.preflight import check_disk
from core.cli.supervisor.records import SUPERVISOR, forget, write_record
from core.cli.supervisor.reporting import Progress, Unheard
from core.cli.supervisor.startup import Startup
from core.cli.supervisor.state import PartState, State, clear_state, write_state
from core.cli.supervisor.summary import show_summary
from core.cli.supervisor.supervision import Supervision, stop_all
from core.cli.supervisor.tasks import Task
from core.foundation.settings import load_settings

BEING_MADE, MADE = "being made", "made"


def run_attached(home: Home, *, in_background: bool) -> None:
    """Start, watch, stop. Raises what made the start fail, after stopping what it had started."""
    settings = load_settings()
    home.create()
    with home.exclusively(), Unheard.on_standard_output():
        check_disk(home.folder)
        write_record(home.run, SUPERVISOR, os.getpid())
        stop = _stop_on_signals()
        progress = Progress()
        startup = Startup(home, settings, progress, stop)
        write_state(home.run, State("starting"))
        try:
            environment = startup.run()
            parts = {part.name: PartState(part.url, True) for part in startup.started}
            state = State(
                "starting",
                parts,
                operator=OPERATOR_EMAIL if startup.choices.operator else None,
                outside_database=not startup.choices.embedded_database,
            )
            supervision = Supervision(home, startup.started, progress, stop, state=state)
            if not startup.choices.demo:
                progress.say(f"No demo: {startup.choices.why_no_demo}.")
            else:
                state.demo = MADE if home.was_done("demo") else BEING_MADE
            state.phase = "running"
            write_state(home.run, state)
            if not in_background:
                show_summary(home, state, last_line="Ctrl-C stops everything; the data stays.")
            if state.demo == BEING_MADE and _make_demo(startup.demo(environment), supervision, progress, stop, state):
                home.mark_done("demo")
            _finish_recording(startup.recording, supervision, progress)
            supervision.watch()
        except StopRequested:
            progress.say("Stopping as asked.")
        finally:
            if startup.recording:
                startup.recording.stop()
            stop_all(home, startup.started, progress)
            clear_state(home.run)
            forget(home.run, SUPERVISOR)


def _make_demo(task: Task, supervision: Supervision, progress: Progress, stop: Event, state: State) -> bool:
    """Make the demo while everything is used and watched already; false when it could not be made."""

    def under_way() -> bool:
        running = task.under_way(step)
        state.demo = f"{BEING_MADE}: {said}" if (said := step.said) else BEING_MADE
        return running

    try:
        with progress.step("Demo (all else is up)") as step:
            task.start()
            try:
                supervision.watch(under_way)
                if stop.is_set():
                    raise StopRequested
                # What it says ends with a password, which belongs into the summary and not among the steps.
                step.outcome = "made" if task.finish(step) else "was made before"
            finally:
                task.stop()
        state.demo = MADE
        return True
    except StartRefused as error:
        state.demo = "not made: `cloudbill demo create` tries again"
        progress.warn(f"{error}. All else runs; `cloudbill demo create` tries again.")
        return False


def _finish_recording(task: Task | None, supervision: Supervision, progress: Progress) -> None:
    """Watch until the stacks are recorded; a failure is told and changes nothing else."""
    if task is None:
        return
    supervision.watch(lambda: task.running)
    if not task.running and not task.succeeded:
        progress.warn(
            f"Not every stack could be recorded for the console's Costs page. Its log: {task.log}. "
            "`cloudbill deployments record --all` tries again."
        )


def _stop_on_signals() -> Event:
    stop = Event()

    def note(number: int, frame: FrameType | None) -> None:
        if stop.is_set() and number == signal.SIGINT:
            print("\nStopping already; PostgreSQL gets its time to write everything down.", file=sys.stderr)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, note)
    return stop
