"""Watching a running installation: what dies is named and started again a few times, or everything is stopped."""

import time
from collections.abc import Callable
from threading import Event

from core.cli.supervisor.home import Home
from core.cli.supervisor.parts import Embedded, Part
from core.cli.supervisor.records import forget, write_record
from core.cli.supervisor.reporting import Progress
from core.cli.supervisor.state import State, write_state
from core.foundation.embedded.errors import EmbeddedServerError

_BACK_OFF_SECONDS = (1.0, 2.0, 4.0, 8.0, 16.0)
_FORGIVEN_AFTER_SECONDS = 120.0
_PROBE_EVERY_SECONDS = 3.0


class PartLost(Exception):
    """A part that does not stay up; `str(error)` says which and what it said last."""


class Supervision:
    """Keeps the started parts running until told to stop."""

    def __init__(self, home: Home, parts: list[Part], progress: Progress, stop: Event, *, state: State) -> None:
        self._home = home
        self._parts = parts
        self._progress = progress
        self._stop = stop
        self._state = state
        self._failures: dict[str, list[float]] = {}
        self._due: dict[str, float] = {}
        self._silent: dict[str, int] = {}
        self._unwritten = False

    def watch(self, meanwhile: Callable[[], bool] | None = None) -> None:
        """Returns when told to stop, or when `meanwhile`, asked often, says false.

        Raises PartLost when a part cannot be kept up.
        """
        self._write_state()
        probe_at = time.monotonic() + _PROBE_EVERY_SECONDS
        while not self._stop.wait(0.5) and (meanwhile is None or meanwhile()):
            for part in self._parts:
                self._look_after(part)
            if time.monotonic() >= probe_at:
                self._probe()
                probe_at = time.monotonic() + _PROBE_EVERY_SECONDS

    def _look_after(self, part: Part) -> None:
        if part.running:
            return
        now = time.monotonic()
        if part.name not in self._due:
            self._note_death(part, now)
        elif now >= self._due[part.name]:
            del self._due[part.name]
            self._restart(part, now)

    def _note_death(self, part: Part, now: float) -> None:
        recent = [at for at in self._failures.get(part.name, []) if now - at < _FORGIVEN_AFTER_SECONDS]
        words = part.last_words()
        ended = "ended" if part.exit_code is None else f"ended with code {part.exit_code}"
        self._progress.warn(f"{part.title} {ended}. It said last ({part.log}):")
        for line in words or ["(nothing)"]:
            self._progress.say(f"  {line}")
        if len(recent) >= len(_BACK_OFF_SECONDS) and part.vital:
            reason = f": {words[-1]}" if words else ""
            raise PartLost(f"{part.title} ended {len(recent) + 1} times in a short while{reason}. Its log: {part.log}")
        wait = _BACK_OFF_SECONDS[min(len(recent), len(_BACK_OFF_SECONDS) - 1)]
        self._failures[part.name] = [*recent, now]
        self._due[part.name] = now + wait
        self._publish(part, healthy=False)
        self._progress.say(f"{part.title} is started again in {wait:.0f} s.")

    def _restart(self, part: Part, now: float) -> None:
        url = part.url
        forget(self._home.run, part.name)
        try:
            part.restart()
        except EmbeddedServerError as error:
            self._progress.warn(str(error))
            self._failures[part.name].append(now)
            if len(self._failures[part.name]) > len(_BACK_OFF_SECONDS) and part.vital:
                raise PartLost(str(error)) from None
            self._due[part.name] = now + _BACK_OFF_SECONDS[-1]
            return
        if part.pid:
            write_record(self._home.run, part.name, part.pid)
        if isinstance(part, Embedded) and part.url != url:
            raise PartLost(f"{part.title} could not get its port back, which the others know it by. Start again.")
        self._progress.say(f"{part.title} was started again (process {part.pid}).")

    def _probe(self) -> None:
        for part in self._parts:
            if self._stop.is_set():
                return
            healthy = part.running and part.healthy()
            self._silent[part.name] = 0 if healthy else self._silent.get(part.name, 0) + 1
            # One late answer on a busy machine is not a fault yet; a process that is gone is.
            if healthy or not part.running or self._silent[part.name] > 1:
                self._publish(part, healthy=healthy)
        self._write_state()

    def _publish(self, part: Part, *, healthy: bool) -> None:
        known = self._state.parts[part.name]
        if known.healthy != healthy:
            known.healthy = healthy
            self._progress.say(f"{part.title} {'is healthy again' if healthy else 'is not healthy'}.")
            self._write_state()

    def _write_state(self) -> None:
        try:
            write_state(self._home.run, self._state)
            self._unwritten = False
        except OSError as error:  # a full disk, most likely: what runs goes on running
            if not self._unwritten:
                self._progress.warn(f"{self._home.run} cannot be written ({error.strerror}): free some space there.")
            self._unwritten = True


def stop_all(home: Home, parts: list[Part], progress: Progress) -> None:
    """Stop in reverse order of the start, each named while it stops."""
    for part in reversed(parts):
        if part.pid is None:
            continue
        with progress.step(f"Stopping {part.title}") as step:
            part.stop()
            step.outcome = "stopped"
        forget(home.run, part.name)
