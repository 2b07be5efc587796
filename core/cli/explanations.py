"""What a person is told when a command fails: one line with the way out."""

import errno
import os
import shutil
from pathlib import Path

_WAYS_OUT = {
    "core.foundation.settings.SettingsInvalid": "",
    "core.foundation.errors.CloudBillError": "",
    "core.foundation.embedded.errors.EmbeddedServerError": "",
    "core.foundation.roles.UnsafeRole": "",
    "core.foundation.fence.FenceError": "",
    "core.foundation.migrations.upgrade.SchemaTooNew": "",
    "core.cli.supervisor.errors.StartRefused": "",
    "core.operations.demo.caller.DemoFailed": "",
    "core.billing.payments.providers.paying.NoTestKey": "",
    "infra.costs.errors.CostError": "",
    "core.cli.supervisor.supervision.PartLost": " Everything was stopped.",
    "psycopg.OperationalError": " Is the database up (`cloudbill status`) and DATABASE_URL right?",
    "sqlalchemy.exc.OperationalError": " Is the database up (`cloudbill status`) and DATABASE_URL right?",
    "redis.exceptions.RedisError": " Is the cache up (`cloudbill status`) and REDIS_URL right?",
}


_CLOSED_TO_US = (errno.EACCES, errno.EPERM, errno.EROFS)


def explain(error: BaseException) -> str:
    """One line for any error. Classes are known by name, so that explaining imports nothing."""
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        where = error.filename or _fullest()
        return f"No space left on the disk of {where}: free some space there, then try again."
    if isinstance(error, OSError) and error.errno in _CLOSED_TO_US and error.filename:
        return (
            f"{error.filename} is closed to this account ({error.strerror}): run this as its owner, or set "
            "CLOUDBILL_HOME to a folder of your own."
        )
    if isinstance(error, ModuleNotFoundError):
        return f"{error.name or error} is not installed: delete .venv and run `make up`, or install its extra."
    names = {f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__}
    for name, way_out in _WAYS_OUT.items():
        if name in names:
            code = f"{getattr(error, 'code', '')}: " if name == "infra.costs.errors.CostError" else ""
            return f"{code}{_first_line(error)}{way_out}"
    hint = "" if os.environ.get("CLOUDBILL_DEBUG") else " Set CLOUDBILL_DEBUG=1 to see where."
    return f"{type(error).__name__}: {_first_line(error)}{hint}"


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = (
        "; ".join(lines) if type(error).__name__ == "SettingsInvalid" else (lines[0] if lines else type(error).__name__)
    )
    return text if text.endswith((".", "?", "!")) else text + "."


def _fullest() -> str:
    """The disk among those we write to that has the least room: the error did not name one."""
    home = Path(os.environ.get("CLOUDBILL_HOME") or ".").absolute()
    places = {*home.parents, home, Path(os.environ.get("TMPDIR", "/tmp")), Path.home()}  # noqa: S108 - only measured
    return str(min((place for place in places if place.exists()), key=lambda place: shutil.disk_usage(place).free))
