"""What a start shows: a spinner with the elapsed time on a terminal, plain lines everywhere else."""

import errno
import os
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager, redirect_stdout
from typing import Any, TextIO, cast

from rich.console import Console
from rich.markup import escape
from rich.status import Status

from core.cli.supervisor.errors import StopRequested

_REMINDER_SECONDS = 15.0


class Step:
    """One step under way; `note` says what it is busy with."""

    def __init__(self, title: str, status: Status | None) -> None:
        self.title = title
        self.outcome = ""
        self._status = status
        self._started = time.monotonic()
        self._reminded = self._started
        self._note = ""

    @property
    def elapsed_seconds(self) -> float:
        """Since the step began."""
        return time.monotonic() - self._started

    @property
    def said(self) -> str:
        """The last note."""
        return self._note

    def note(self, text: str) -> None:
        """What it is busy with now; plain output repeats the last note now and then instead of every change."""
        self._note = text.strip()[:100] or self._note
        self.tick()

    def tick(self) -> None:
        """Show that time passes; called while waiting."""
        line = f"{self.title} {self._note}".strip()
        if self._status:
            self._status.update(f"{escape(line)} [dim]{self.elapsed_seconds:.0f} s[/dim]")
        elif time.monotonic() - self._reminded > _REMINDER_SECONDS:
            self._reminded = time.monotonic()
            print(f"      … {line} ({self.elapsed_seconds:.0f} s)", flush=True)


class Unheard:
    """A stream whose reader may go away (a closed terminal, `| head`, a full disk): what is said then is lost.

    Without it the first word that nobody hears would end the supervisor, and leave all that it started running.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    @classmethod
    @contextmanager
    def on_standard_output(cls) -> Generator[None]:
        """Whatever is printed inside goes through one."""
        with redirect_stdout(cast(TextIO, cls(sys.stdout))):
            yield

    def write(self, text: str) -> int:
        """As of any stream."""
        try:
            return self._stream.write(text)
        except OSError as error:
            return self._lose(error, len(text))

    def flush(self) -> None:
        """As of any stream."""
        try:
            self._stream.flush()
        except OSError as error:
            self._lose(error, 0)

    def _lose(self, error: OSError, characters: int) -> int:
        if error.errno != errno.ENOSPC:  # a disk may have room again, a reader does not come back
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
        return characters

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class Progress:
    """Steps and remarks, one line each, on standard output."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, soft_wrap=True)
        self._fancy = self._console.is_terminal and not self._console.is_dumb_terminal
        self._done = "✓" if (sys.stdout.encoding or "").lower().startswith("utf") else "ok"

    @contextmanager
    def step(self, title: str) -> Generator[Step]:
        """A step of the start; it ends with its outcome and the seconds it took, or with the error that passes by."""
        status = self._console.status(escape(title)) if self._fancy else None
        step = Step(title, status)
        if status:
            status.start()
        try:
            yield step
        except BaseException as error:
            if status:
                status.stop()
            if isinstance(error, StopRequested):
                self.say(f"{title}: broken off")
            elif self._fancy:
                self._console.print(f"[red]✗[/red] {escape(title)}")
            else:
                print(f"failed: {title}", flush=True)
            raise
        if status:
            status.stop()
        outcome = f": {step.outcome}" if step.outcome else ""
        took = f"({step.elapsed_seconds:.1f} s)"
        if self._fancy:
            self._console.print(f"[green]{self._done}[/green] {escape(title + outcome)} [dim]{took}[/dim]")
        else:
            print(f"{self._done} {title}{outcome} {took}", flush=True)

    def say(self, text: str) -> None:
        """A remark."""
        if self._fancy:
            self._console.print(f"  {escape(text)}")
        else:
            print(f"  {text}", flush=True)

    def warn(self, text: str) -> None:
        """A remark that wants to be read."""
        if self._fancy:
            self._console.print(f"[yellow]![/yellow] {escape(text)}")
        else:
            print(f"! {text}", flush=True)
