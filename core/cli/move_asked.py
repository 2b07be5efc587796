"""What `cloudbill move start` was asked: the two sides, what comes along, the keys of both."""

import typer

from core.foundation.settings import Settings
from core.operations.transfer.beside import from_line
from core.operations.transfer.moving.accompanying import Record
from core.operations.transfer.moving.journal import Ends


def ends_of(settings: Settings, source: str, target: str, target_owner: str) -> Ends:
    if not source or not target:
        raise typer.BadParameter("give --from and --to (or MOVE_FROM_URL and MOVE_TO_URL)", param_hint="--from/--to")
    if target == "here" and not target_owner:
        target_owner = settings.owner_url
    if not target_owner:
        raise typer.BadParameter(
            "the target's owner takes indexes off and puts them on: give --to-owner (or MOVE_TO_OWNER_URL)",
            param_hint="--to-owner",
        )
    here = settings.mover_url if "here" in (source, target) else ""
    return Ends.of(here if source == "here" else source, here if target == "here" else target, target_owner)


def record_of(name: str | None, leads_to: str | None, stack: str | None) -> Record | None:
    if name is None and leads_to is None:
        return None
    if name is None or leads_to is None or stack is None:
        raise typer.BadParameter(
            "--record, --leads-to and --record-stack (or --from-stack) belong together", param_hint="--record"
        )
    from core.cli.cloud_backups import found

    return Record(name=name, leads_to=leads_to, place=found(stack).place)


def fingerprints_of(text: str, option: str) -> dict[str, list[str]] | None:
    try:
        return from_line(text) if text else None
    except ValueError as error:
        raise typer.BadParameter(
            f"{error}; give what `cloudbill move keys` prints there (encryption=…,ledger=…)", param_hint=option
        ) from None
