"""One server as a child process: its own process group, its output in a log file, an end that escalates."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from core.foundation.embedded.account import Account

_LOG_BYTES_KEPT = 8 * 1024 * 1024


class ServerProcess:
    """A process we started. `log` gets its output; one older log is kept beside it as `<name>.1`."""

    def __init__(self, argv: Sequence[str], *, log: Path, env: Mapping[str, str] | None = None) -> None:
        self.argv = list(argv)
        self.log = log
        self._env = dict(os.environ if env is None else env)
        self._log_offset = 0
        self._popen: subprocess.Popen[bytes] | None = None
        self._adopted: psutil.Process | None = None

    def adopt(self, process: psutil.Process) -> None:
        """Look after one that another process of ours has started; what it ended with is then nobody's to tell us."""
        with contextlib.suppress(OSError):
            self._log_offset = self.log.stat().st_size
        self._adopted, self._popen = process, None

    def start(self, *, cwd: Path, account: Account | None = None, keep_open: Sequence[int] = ()) -> None:
        """Start it in a session of its own, so that a Ctrl-C at the terminal reaches only us."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > _LOG_BYTES_KEPT:
            self.log.replace(self.log.with_name(self.log.name + ".1"))
        self._adopted = None
        with self.log.open("ab") as output:
            self._log_offset = output.tell()
            self._popen = subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env=self._env,
                start_new_session=True,
                pass_fds=tuple(keep_open),
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
            )

    @property
    def pid(self) -> int | None:
        """The process id, also after its end; None before the start."""
        if self._adopted:
            return self._adopted.pid
        return self._popen.pid if self._popen else None

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        if self._adopted:
            return lives(self._adopted)
        return self._popen is not None and self._popen.poll() is None

    @property
    def exit_code(self) -> int | None:
        """The code it ended with (negative: the signal), or None."""
        return self._popen.poll() if self._popen else None

    def stop(self, *steps: tuple[signal.Signals, float]) -> None:
        """Send each signal in turn and wait its seconds; whatever is left of the process group is killed."""
        if self._adopted:
            end(self._adopted, *steps, (signal.SIGKILL, 5))
            return
        if self._popen is None:
            return
        for number, seconds in steps:
            if self._popen.poll() is not None:
                break
            self._popen.send_signal(number)
            try:
                self._popen.wait(timeout=seconds)
            except subprocess.TimeoutExpired:
                continue
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS answers EPERM for a group of zombies
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait()

    def last_words(self, lines: int = 10) -> list[str]:
        """The last lines it wrote since this start."""
        try:
            with self.log.open("rb") as log:
                size = log.seek(0, os.SEEK_END)
                log.seek(max(self._log_offset, size - 64 * 1024))
                text = log.read().decode("utf-8", "replace")
        except OSError:
            return []
        return [line.rstrip() for line in text.splitlines() if line.strip()][-lines:]


def lives(process: psutil.Process) -> bool:
    """Whether it has not ended; one that ended and that its parent never asked for has."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def end(process: psutil.Process, *steps: tuple[signal.Signals, float]) -> None:
    """Send a process, whoever started it, each signal in turn and wait its seconds."""
    for number, seconds in steps:
        with contextlib.suppress(psutil.Error):
            process.send_signal(number)
        give_up_at = time.monotonic() + seconds
        while time.monotonic() < give_up_at:
            if not lives(process):
                return
            time.sleep(0.02)
