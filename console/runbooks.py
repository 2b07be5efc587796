"""A runbook that opens on the page that names it."""

from __future__ import annotations

import reflex as rx

from console import alerting, rights
from console.alerting import Block
from console.client import Client
from console.viewer import asking


class RunbookState(rx.State, mixin=True):
    """The runbook that is open."""

    runbook: str = ""
    runbook_blocks: list[Block] = []

    @rx.event
    @asking(rights.see_installation)
    async def read(self, api: Client, runbook: str):
        """Open a runbook."""
        self.runbook, self.runbook_blocks = runbook, []
        self.runbook_blocks = alerting.blocks(await api.runbook(runbook))

    @rx.event
    def close(self, is_open: bool):
        """Be done with it."""
        if not is_open:
            self.runbook = ""
