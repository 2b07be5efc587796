"""What Git says of the sources that are deployed or recorded."""

import subprocess
from pathlib import Path

_SECONDS = 30


def ask_git(root: Path, *words: str) -> str | None:
    """Its answer; None where there is no Git, no repository or no answer."""
    try:
        done = subprocess.run(
            ["git", *words],  # noqa: S607 - whichever Git is there; without one nothing is said
            cwd=root,
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
        )
    except OSError:
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def revision(root: Path) -> str | None:
    """The commit in hand."""
    return ask_git(root, "rev-parse", "HEAD")
