"""Does what is due of a tenant, counting the lines of billing that it runs, or killed (SIGKILL) at one of them.

python -m tests.support.invoicing_killed TENANT '{"count": "lines.json"}'
python -m tests.support.invoicing_killed TENANT '{"at": "core/billing/invoices/drafting.py:80", "time": 2}'
"""

import asyncio
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Coroutine
from pathlib import Path
from types import FrameType
from typing import Any
from uuid import UUID

from core.billing.clocks import service as clocks
from core.foundation.clock import wall_now
from core.foundation.database import Database
from core.foundation.settings import load_settings
from tests.support.servers import ROOT


class Tracer:
    """Counts lines of these rooms of billing by file and number; ends the process at the wanted one."""

    def __init__(self, rooms: tuple[str, ...], at: str | None, time: int) -> None:
        self.lines: Counter[str] = Counter()
        self._rooms = tuple(str(ROOT / "core" / "billing" / room) for room in rooms)
        self._at = at
        self._time = time

    def enter(self, frame: FrameType, event: str, _: Any) -> Any:
        """Follows functions of these rooms only."""
        return self.line if frame.f_code.co_filename.startswith(self._rooms) else None

    def line(self, frame: FrameType, event: str, _: Any) -> Any:
        """One line is about to be run."""
        if event == "line":
            name = f"{Path(frame.f_code.co_filename).relative_to(ROOT)}:{frame.f_lineno}"
            self.lines[name] += 1
            if name == self._at and self.lines[name] == self._time:
                os.kill(os.getpid(), signal.SIGKILL)
        return self.line


async def drain(tenant_id: UUID) -> None:
    """All that is due now."""
    database = Database(load_settings())
    try:
        await clocks.drain(database, tenant_id=tenant_id, wall_now=wall_now())
    finally:
        await database.dispose()


def run(work: Coroutine[Any, Any, None], order: dict[str, Any], *, rooms: tuple[str, ...]) -> None:
    """With the trace on."""
    tracer = Tracer(rooms, order.get("at"), order.get("time", 1))
    sys.settrace(tracer.enter)
    asyncio.run(work)
    sys.settrace(None)
    if "count" in order:
        Path(order["count"]).write_text(json.dumps(tracer.lines), encoding="utf-8")


if __name__ == "__main__":
    run(
        drain(UUID(sys.argv[1])),
        json.loads(sys.argv[2]),
        rooms=("invoices", "subscriptions", "credits", "clocks"),
    )
