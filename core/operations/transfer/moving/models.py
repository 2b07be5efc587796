"""What a move writes into both its servers. About these two servers only: never exported, published or compared."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from core.foundation.tables import Table, one_of

SIDES = ("source", "target")
DIRECTIONS = ("forward", "back")


class Move(Table):
    """That this server takes part in a move, and where it is."""

    __tablename__ = "moves"
    __table_args__ = (
        CheckConstraint(one_of("side", SIDES), name="side"),
        Index("moves_under_way", "side", unique=True, postgresql_where=text("ended_at IS NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    side: Mapped[str]
    other: Mapped[str]
    phase: Mapped[str]
    document: Mapped[dict[str, Any]] = mapped_column(JSONB)
    started_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class MovePosition(Table):
    """Up to where the other server's log was written here; moved in the transaction that writes the changes."""

    __tablename__ = "move_positions"
    __table_args__ = (CheckConstraint(one_of("direction", DIRECTIONS), name="direction"),)

    move_id: Mapped[UUID] = mapped_column(primary_key=True)
    direction: Mapped[str] = mapped_column(primary_key=True)
    lsn: Mapped[int]
    changed_at: Mapped[datetime]
