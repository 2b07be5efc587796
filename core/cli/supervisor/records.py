"""Which processes are ours: written down when started, recognized again even after the supervisor was killed.

A process is taken for ours only when its id, its start time and its program all agree with the record, so an id that
the system has given to somebody else since is never touched.
"""

import contextlib
import json
import os
import signal
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

SUPERVISOR = "supervisor"
_CLOCK_TOLERANCE_SECONDS = 2.0  # start times derive from the boot time, which follows clock corrections


@dataclass(frozen=True, kw_only=True)
class ProcessRecord:
    """One process: leader of a session and process group of its own."""

    name: str
    pid: int
    created_at: float
    """Seconds since the epoch, as psutil tells them."""
    executable: str

    def find_leader(self) -> psutil.Process | None:
        """The process itself, if it lives."""
        try:
            process = psutil.Process(self.pid)
            same = (
                abs(process.create_time() - self.created_at) < _CLOCK_TOLERANCE_SECONDS
                and process.exe() == self.executable
                and process.status() != psutil.STATUS_ZOMBIE
            )
        except psutil.Error:
            return None
        return process if same else None

    def list_members(self) -> list[psutil.Process]:
        """Every living process of its session or group, also when the leader is gone and only its children serve."""
        leader = self.find_leader()
        if leader is None and psutil.pid_exists(self.pid) and not _is_zombie(self.pid):
            return []  # the id is somebody else's now, and so would be its group
        members: list[psutil.Process] = []
        for process in psutil.process_iter():
            try:
                belongs = self.pid in (os.getsid(process.pid), os.getpgid(process.pid))
                if belongs and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
                    members.append(process)
            except (psutil.Error, ProcessLookupError, PermissionError):
                continue
        return members

    def end(self, number: signal.Signals = signal.SIGTERM, *, seconds: float = 10) -> bool:
        """Signal the leader (or, without one, every member), then kill what is left. Whether anything lived."""
        members = self.list_members()
        leader = self.find_leader()
        for process in [leader] if leader else members:
            with contextlib.suppress(psutil.Error):
                process.send_signal(number)
        _, left = psutil.wait_procs(members, timeout=seconds)
        for process in {*left, *self.list_members()}:
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(left, timeout=5)
        return bool(members)


def write_record(folder: Path, name: str, pid: int) -> None:
    """Note that the process is ours. A process that has already ended is not noted."""
    try:
        process = psutil.Process(pid)
        record = ProcessRecord(name=name, pid=pid, created_at=process.create_time(), executable=process.exe())
    except psutil.Error:
        return
    unfinished = folder / f".{name}.{os.getpid()}"
    unfinished.write_text(json.dumps(asdict(record)), encoding="utf-8")
    unfinished.replace(folder / f"{name}.json")


def find_record(folder: Path, name: str) -> ProcessRecord | None:
    """The record of that name, or None. A record that cannot be read counts as none."""
    try:
        return ProcessRecord(**json.loads((folder / f"{name}.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def forget(folder: Path, name: str) -> None:
    """Remove the record."""
    (folder / f"{name}.json").unlink(missing_ok=True)


def _is_zombie(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
