"""The account a server runs under when we are root: PostgreSQL refuses to run as root.

No account is made and no folder's permissions are changed; a folder the account cannot enter is not used.
"""

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path

_CANDIDATES = ("cloudbill", "postgres", "nobody")


@dataclass(frozen=True, kw_only=True)
class Account:
    """A user of this machine without rights."""

    name: str
    uid: int
    gid: int


def find_account() -> Account | None:
    """The account for servers that refuse root; None when we are not root and run them as ourselves."""
    if os.geteuid() != 0:
        return None
    for name in _CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name=name, uid=entry.pw_uid, gid=entry.pw_gid)
    return None


def can_enter(folder: Path, account: Account | None) -> bool:
    """Whether the account can reach `folder` through all its parents (asked of the system, so ACLs count too)."""
    return _test("-x", folder, account)


def can_run(program: Path, account: Account | None) -> bool:
    """Whether the account can read and execute `program`."""
    return _test("-x", program, account) and _test("-r", program, account)


def _test(flag: str, path: Path, account: Account | None) -> bool:
    if account is None:
        return os.access(path, os.X_OK if flag == "-x" else os.R_OK)
    outcome = subprocess.run(
        ["/bin/sh", "-c", 'test "$1" "$2"', "sh", flag, str(path)],
        user=account.uid,
        group=account.gid,
        extra_groups=[],
        cwd="/",
        check=False,
    )
    return outcome.returncode == 0
