"""One server as a child process: its own process group, its output in a log file, an end that escalates."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

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

    def start(self, *, cwd: Path, account: Account | None = None, keep_open: Sequence[int] = ()) -> None:
        """Start it in a session of its own, so that a Ctrl-C at the terminal reaches only us."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > _LOG_BYTES_KEPT:
            self.log.replace(self.log.with_name(self.log.name + ".1"))
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
        return self._popen.pid if self._popen else None

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._popen is not None and self._popen.poll() is None

    @property
    def exit_code(self) -> int | None:
        """The code it ended with (negative: the signal), or None."""
        return self._popen.poll() if self._popen else None

    def stop(self, *steps: tuple[signal.Signals, float]) -> None:
        """Send each signal in turn and wait its seconds; whatever is left of the process group is killed."""
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
