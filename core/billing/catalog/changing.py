"""What may change of anything in the catalog: how it is called, and whether it is still sold."""

from datetime import datetime
from typing import Protocol

from core.billing.catalog.models import CouponRow, Plan, Product


class Change(Protocol):
    """What is asked for; None leaves it as it is."""

    @property
    def name(self) -> str | None: ...

    @property
    def archived(self) -> bool | None: ...


def change(row: Product | Plan | CouponRow, asked: Change, *, now: datetime) -> None:
    """Renames, takes out of use or puts back; what is out of use already keeps its instant."""
    if asked.name is not None:
        row.name = asked.name
    if asked.archived is not None and asked.archived != (row.archived_at is not None):
        row.archived_at = now if asked.archived else None
