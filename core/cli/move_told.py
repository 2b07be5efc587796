"""What `cloudbill move` says: how a move stands, what its preflight found."""

from typing import Any

import orjson
import typer

from core.operations.transfer.moving import marks
from core.operations.transfer.moving.errors import MoveError
from core.operations.transfer.moving.holder import Holder
from core.operations.transfer.moving.journal import ENDED, Ends, Journal
from core.operations.transfer.moving.preflight import Report


def standing(journal: Journal) -> dict[str, Any]:
    now = journal.shown()
    worked = journal.worked_on
    document: dict[str, Any] = {
        "id": str(journal.id),
        "phase": journal.phase,
        "from": journal.document["from"],
        "to": journal.document["to"],
        "worker": (journal.folder / "lock").read_text("utf-8").strip() if worked else None,
        "holder": Holder(journal).pid,
        "now": now if worked else {},
        "pauseSeconds": journal.document.get("pauseSeconds"),
        "certificate": journal.document.get("certificate"),
        "beside": journal.document.get("beside"),
        "slots": [],
        "warnings": [],
    }
    if journal.phase in ENDED:
        return document
    ends = journal.ends()
    for endpoint, name in ((ends.source, journal.name), (ends.target, journal.back)):
        try:
            with endpoint.connect("status") as connection:
                found = marks.slot_standing(connection, name)
        except MoveError as error:
            document["warnings"].append(error.detail)
            continue
        if found is None:
            continue
        kept = found["keepsBytes"] or 0
        read = "read" if found["active"] else "nobody reads it"
        says = f"keeps {kept / 1e6:.1f} MB of log, {found['walStatus']}, {read}"
        document["slots"].append({"name": name, "side": endpoint.side, "says": says, **found})
        if found["walStatus"] == "lost":
            document["warnings"].append(f"the slot on the {endpoint.side} is lost: abort, then start anew")
        elif not worked:
            document["warnings"].append(
                f"the slot {name} keeps log on the disk of the {endpoint.side} while nobody works on the move: "
                "`cloudbill move resume`, or abort or finish it"
            )
    return document


def show_report(report: Report, ends: Ends) -> None:
    typer.echo(f"{ends.source} ({report.source_version}) → {ends.target} ({report.target_version})")
    for finding in report.findings:
        sign = {"ok": "ok    ", "warns": "warns ", "blocks": "BLOCKS"}[finding.state]
        typer.echo(f"  {sign} {finding.side:<7} {finding.what}: {finding.detail}")


def print_json(document: dict[str, Any]) -> None:
    typer.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2, default=str).decode())
