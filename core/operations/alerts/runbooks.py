"""What to do when something fires: one page a name."""

import re
from pathlib import Path

from core.foundation.errors import NotFound

FOLDER = Path(__file__).parents[3] / "docs" / "runbooks"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class RunbookNotFound(NotFound):
    """No page of that name here."""

    code = "runbook_not_found"
    title = "No such runbook"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"There is no runbook {name} in this installation; the repository has docs/runbooks/{name}.md."
        )


def read_runbook(name: str) -> str:
    """Its Markdown. Raises RunbookNotFound."""
    if not _NAME.fullmatch(name):
        raise RunbookNotFound(name[:63])
    try:
        return (FOLDER / f"{name}.md").read_text(encoding="utf-8")
    except OSError:
        raise RunbookNotFound(name) from None


def has_runbook(name: str | None) -> bool:
    """Whether its page is here."""
    return name is not None and _NAME.fullmatch(name) is not None and (FOLDER / f"{name}.md").is_file()
