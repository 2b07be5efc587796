"""What a certificate says, kept while it is handed over: whoever goes on after a kill writes the same one.

The digests of everything lie in a file from before the pause; in the pause only those written since are added.
"""

import json
from datetime import datetime
from typing import Any

from core.operations.transfer.digests import Digests
from core.operations.transfer.moving.handing_over import HandedOver
from core.operations.transfer.moving.journal import Journal
from core.operations.transfer.moving.rolling import Rolling

_BASE, _WRITTEN = "digests.json", "handing-over.json"


def remember_base(journal: Journal, rolling: Rolling) -> None:
    """Before the pause: the digests of the side that is to serve."""
    journal.keep(_BASE, rolling.right.digests().to_json())


def remember(journal: Journal, rolling: Rolling, *, began: float, compared: int) -> None:
    """In the pause, once both sides agree; `began` by the clock of the side that is to serve, in seconds of Unix."""
    journal.keep(
        _WRITTEN,
        {"began": began, "compared": compared, "written": rolling.right.written(), "chains": rolling.newest_blocks},
    )


def remembered(journal: Journal, opened_at: datetime) -> HandedOver:
    """What was handed over by a process that is gone; `opened_at`: when the other side took writes, by its clock."""
    base: dict[str, Any] = json.loads((journal.folder / _BASE).read_text("utf-8"))
    last: dict[str, Any] = json.loads((journal.folder / _WRITTEN).read_text("utf-8"))
    for table, leaves in last["written"].items():
        known = base["tables"].setdefault(table, {})
        for tenant, (rows, digest) in leaves.items():
            if rows:
                known[tenant] = [rows, digest]
            else:
                known.pop(tenant, None)
    base["tables"] = {table: leaves for table, leaves in base["tables"].items() if leaves}
    return HandedOver(
        digests=Digests.from_json(base),
        books={"chains": dict(sorted(last["chains"].items()))},
        pause_seconds=max(0.0, round(opened_at.timestamp() - last["began"], 3)),
        compared_rows=last["compared"],
        steps={},
    )
