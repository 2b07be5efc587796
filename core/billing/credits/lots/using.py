"""Which lot a charge uses: the rule, pure and exact. The same entries always give the same answer.

Entries are taken in the order of their versions, which is the order in which the wallet's lock let them in. What comes
in opens a lot (first it fills what had been taken beyond all lots). What goes out is taken from the open lots by
priority (lower first), then the earlier expiry (none last), then granted before paid, then the older lot. Money that
goes back to a payer (a refund, a dispute) is taken from paid lots first, the newest first. An expiry takes its own lot.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

_NEVER = datetime.max.replace(tzinfo=UTC)
MONEY_BACK = ("refund", "dispute")
EXPIRY = "expiry"
PAID = ("purchase", "refund_reversal", "dispute_reversal", "invoice_credit")
DEFAULT_PRIORITY = 50


@dataclass(slots=True)
class Lot:
    """A lot as it stands at a position."""

    id: UUID
    kind: str
    priority: int
    expires_at: datetime | None
    opened_version: int
    remaining_micro: int

    @property
    def turn(self) -> tuple[Any, ...]:
        """Its place in the order of use."""
        return (
            self.priority,
            self.expires_at or _NEVER,
            self.kind != "granted",
            self.opened_version,
            self.id,
        )


@dataclass(frozen=True, slots=True)
class Moved:
    """An entry of a wallet, with what its transaction was."""

    version: int
    amount_micro: int
    kind: str
    reference: str | None
    transaction_id: UUID
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class Use:
    """What a run of entries took from a lot."""

    lot_id: UUID
    first_version: int
    last_version: int
    amount_micro: int


@dataclass(slots=True)
class Book:
    """A wallet's lots at a position. `owed_micro` is what was taken beyond all of them."""

    version: int
    owed_micro: int
    lots: dict[UUID, Lot]
    coming: dict[int, Lot] = field(default_factory=dict[int, Lot])
    """Lots with terms of their own, by the entry that brings them."""
    uses: list[Use] = field(default_factory=list[Use])
    is_limited: bool = False
    """Of limited credits: they were all given away, also where an invoice gives them back."""
    opened: list[tuple[Lot, Moved]] = field(default_factory=list[tuple[Lot, Moved]])

    @property
    def balance_micro(self) -> int:
        """What the lots say the wallet has; equal to the sum of its entries."""
        return sum(lot.remaining_micro for lot in self.lots.values()) - self.owed_micro

    def in_order(self) -> list[Lot]:
        """Lots with something left, in the order in which they are used."""
        return sorted((lot for lot in self.lots.values() if lot.remaining_micro), key=lambda lot: lot.turn)

    def follow(self, entries: Iterable[Moved], *, new_id: Callable[[], UUID]) -> None:
        """Takes up the entries after its position, which must come without a gap."""
        for moved in entries:
            if moved.version != self.version + 1:
                raise ValueError(f"entry {moved.version} does not follow {self.version}")
            if moved.amount_micro > 0:
                self._open(moved, new_id)
            elif moved.amount_micro < 0:
                self._take(moved)
            self.version = moved.version

    def _open(self, moved: Moved, new_id: Callable[[], UUID]) -> None:
        filled_micro = min(self.owed_micro, moved.amount_micro)
        self.owed_micro -= filled_micro
        known = self.coming.pop(moved.version, None)
        lot = known or Lot(
            new_id(),
            "paid" if moved.kind in PAID and not self.is_limited else "granted",
            DEFAULT_PRIORITY,
            None,
            moved.version,
            0,
        )
        lot.remaining_micro = moved.amount_micro - filled_micro
        self.lots[lot.id] = lot
        if known is None:
            self.opened.append((lot, moved))
        if filled_micro:
            self._note(lot, moved.version, filled_micro)

    def _take(self, moved: Moved) -> None:
        left_micro = -moved.amount_micro
        for lot in self._turns(moved):
            used_micro = min(left_micro, lot.remaining_micro)
            if used_micro:
                lot.remaining_micro -= used_micro
                left_micro -= used_micro
                self._note(lot, moved.version, used_micro)
            if not left_micro:
                return
        self.owed_micro += left_micro

    def _turns(self, moved: Moved) -> list[Lot]:
        order = self.in_order()
        if moved.kind == EXPIRY and moved.reference:
            own = moved.reference.partition(":")[0]
            return [lot for lot in order if str(lot.id) == own] + [lot for lot in order if str(lot.id) != own]
        if moved.kind in MONEY_BACK:
            paid = [lot for lot in order if lot.kind == "paid"]
            paid.sort(key=lambda lot: lot.opened_version, reverse=True)
            return paid + [lot for lot in order if lot.kind != "paid"]
        return order

    def _note(self, lot: Lot, version: int, amount_micro: int) -> None:
        """One row for entries that follow each other on one lot."""
        last = self.uses[-1] if self.uses else None
        if last is not None and last.lot_id == lot.id and last.last_version + 1 == version:
            self.uses[-1] = Use(lot.id, last.first_version, version, last.amount_micro + amount_micro)
        else:
            self.uses.append(Use(lot.id, version, version, amount_micro))


def reserved(order: Iterable[Lot], held_micro: int) -> dict[UUID, int]:
    """What open holds keep of each lot: they reserve in the order in which charges use."""
    kept: dict[UUID, int] = {}
    for lot in order:
        kept[lot.id] = min(held_micro, lot.remaining_micro)
        held_micro -= kept[lot.id]
    return kept
