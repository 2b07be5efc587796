"""Work that is done once in a run, by whichever worker comes first; the others wait for it and read the result."""

import fcntl
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


def once(folder: Path, name: str, work: Callable[[], Any]) -> Any:
    """What `work` gave (it must fit into JSON), under this name in this folder."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / f"{name}.json"
    with (folder / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            found = json.dumps(work())
            kept.write_text(found)
        return json.loads(kept.read_text())
