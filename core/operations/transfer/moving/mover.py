"""A move from its beginning to the switch and beyond. Each phase can be entered again after a kill at any line."""

from core.operations.transfer.moving import ending
from core.operations.transfer.moving.filling import Filling
from core.operations.transfer.moving.switching import Switching
from core.operations.transfer.moving.working import Choices as Choices
from core.operations.transfer.moving.working import Stopped as Stopped


class Mover(Filling, Switching):
    """Works on one move; `run` returns when there is nothing more to do or raises what stopped it."""

    def run(self) -> None:
        """From where it is to where it can go by itself."""
        with self._alone():
            self._fill()
            if self.journal.phase in ("following", "switching"):
                self._persist(self._follow_and_switch)
            if self.journal.phase == "switched" and not self.choices.ends_after_switch:
                self._persist(self._follow_back)

    def roll_back(self) -> None:
        """The same pause the other way round: the old side serves again, with all that the new one took."""
        with self._alone():
            if self.journal.phase == "switched":
                self.journal.enter("rolling back")
            self._persist(self._switch_back)
            self._persist(lambda: ending.clean_after_rollback(self.journal, self.ends))
            self.journal.enter("rolled back")
            self._end()

    def fill(self) -> None:
        """Up to where it would follow, and no further."""
        with self._alone():
            self._fill()

    def _fill(self) -> None:
        for phase, work in (
            ("preparing", self._prepare),
            ("copying", self._copy),
            ("rebuilding", self._rebuild),
        ):
            if self.journal.phase == phase:
                self._persist(work)
