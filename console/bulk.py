"""One thing done to many rows, one after the other, with how far it is."""

from __future__ import annotations

from uuid import uuid4

import reflex as rx


class Bulk(rx.State, mixin=True):
    """Rows that are picked. A page gives it `step`, an event that does the deed to `here` and calls `stepped`."""

    picked: list[str] = []
    doing: str = ""
    running: bool = False
    done: int = 0
    total: int = 0
    refusals: list[str] = []
    undoable: list[str] = []
    undoing: bool = False
    _waiting: list[str] = []
    _key: str = ""

    @rx.var
    def percent(self) -> int:
        """How far it is."""
        return 100 * self.done // self.total if self.total else 0

    @rx.event
    def pick(self, key: str, is_on: bool):
        """Take a row in or leave it out."""
        self.picked = [*(one for one in self.picked if one != key), *([key] if is_on else [])]

    @rx.event
    def ask(self, doing: str):
        """Say what is about to be done, before it is."""
        self.doing, self.refusals, self.done, self.total = doing, [], 0, 0
        self.undoable, self.undoing = [], False

    @rx.event
    def begin(self):
        """Do it to each that is picked; once, however often it is clicked."""
        if self.running or not self.picked:
            return None
        self._set_out(self.picked)
        return type(self).step

    @rx.event
    def undo(self):
        """Take it back from each to which it was done."""
        if self.running or not self.undoable:
            return None
        self.undoing = True
        self._set_out(self.undoable)
        self.undoable = []
        return type(self).step

    def _set_out(self, rows: list[str]) -> None:
        self._waiting, self.running, self._key = list(rows), True, f"console-{uuid4()}"
        self.done, self.total, self.refusals = 0, len(rows), []

    @property
    def here(self) -> str:
        """The row whose turn it is."""
        return self._waiting[0]

    @property
    def key(self) -> str:
        """The same for a deed to a row however often it is sent."""
        return f"{self._key}-{self.here}"

    def stepped(self, refusal: str = ""):
        """Go on to the next row, or end. A page that offers `undo` shows it while there is something `undoable`."""
        done, self._waiting, self.done = self.here, self._waiting[1:], self.done + 1
        if refusal:
            self.refusals = [*self.refusals, refusal]
        elif not self.undoing:
            self.undoable = [*self.undoable, done]
        if self._waiting:
            return type(self).step
        self.running, self.doing, self.picked = False, "", []
        return type(self).load
