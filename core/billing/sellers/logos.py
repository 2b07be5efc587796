"""Pictures for the head of a document: drawn once before they are taken, so that no invoice fails for one."""

import json
from typing import Any, cast

import typst

from core.billing.sellers.schemas import LogoInvalid

_FORMATS = {"image/png": "png", "image/jpeg": "jpg", "image/svg+xml": "svg"}
_PICTURE = b"""#set document(title: "Logo", date: datetime(year: 2000, month: 1, day: 1))
#let logo = json("logo.json")
#image(bytes(logo.content), format: logo.format, alt: "Logo")
"""


def as_typst(content: bytes, kind: str) -> dict[str, Any]:
    """The picture as a template takes it: typst reads only texts from memory, so as the numbers of its bytes."""
    return {"format": _FORMATS[kind], "content": list(content)}


def check_logo(content: bytes, kind: str) -> None:
    """Raises LogoInvalid for what cannot be drawn."""
    files = {"main.typ": _PICTURE, "logo.json": json.dumps(as_typst(content, kind)).encode()}
    try:
        # Its stub does not know files from memory.
        cast("Any", typst.Compiler)(files, ignore_system_fonts=True).compile(format="pdf")
    except typst.TypstError as error:
        reason = (str(error).splitlines() or ["it is broken"])[0][:200]
        raise LogoInvalid(f"cannot be drawn as {kind}: {reason}") from None
