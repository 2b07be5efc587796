"""pg_receivewal as a child of ours, in our own process group: whoever ends the group ends it, too."""

import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from core.operations.backups.programs import client_programs, connection, last_words

_LOG_BYTES_KEPT = 1024 * 1024


class Receiver:
    """Streams the log of a server into a folder, through a slot that waits for it."""

    def __init__(self, url: str, *, slot: str, spool: Path, log: Path) -> None:
        self._env: Mapping[str, str] = connection(url)
        self._log = log
        self._argv: Sequence[str] = [
            str(client_programs() / "pg_receivewal"),
            f"--directory={spool}",
            f"--slot={slot}",
            "--synchronous",  # on the disk, and the slot says how far: its user may see no other position
            "--no-loop",  # we start it again, and say why it ended
            "--no-password",
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it."""
        self._log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        grown = self._log.exists() and self._log.stat().st_size > _LOG_BYTES_KEPT
        with self._log.open("wb" if grown else "ab") as output:
            self._process = subprocess.Popen(
                self._argv,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def said(self) -> str:
        """The last thing it said."""
        try:
            return last_words(self._log.read_text(errors="replace").splitlines()[-5:])
        except OSError:
            return "it said nothing"

    def stop(self) -> None:
        """End it; what it has received is on the disk."""
        if self._process is None:
            return
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            if self._process.poll() is not None:
                break
            self._process.send_signal(number)
            try:
                self._process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                continue
        self._process.wait()
