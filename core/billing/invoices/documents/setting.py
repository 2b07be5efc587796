"""Texts as they can be set: long words get places to break at, and what no font can draw is a sign that says so.

PDF/A takes no glyph that is missing, and a name that a font lacks a sign for must not stand between a customer and
their invoice. Which signs there are is asked of typst itself, once a sign.
"""

import importlib.util
import json
import re
from functools import cache
from pathlib import Path
from typing import Any, cast

import typst

_NEEDED = ("fontpkg_noto_sans", "noto_cjk_sans_jp_regular")
_SCRIPTS = (
    "fontpkg_noto_sans_arabic",
    "fontpkg_noto_sans_khmer",
    "fontpkg_noto_sans_tamil",
    "fontpkg_noto_sans_telugu",
    "fontpkg_noto_sans_thai",
)
"""Installed with the product; what one of them draws is missing where somebody left it out."""

FAMILIES = (
    "Noto Sans", "Noto Sans CJK JP", "Noto Sans Arabic", "Noto Sans Khmer", "Noto Sans Tamil", "Noto Sans Telugu",
    "Noto Sans Thai",
)  # fmt: skip
"""In the order in which they are asked for a sign."""

_MISSING = "\ufffd"
_SURE = 0x250
"""Below it is Latin, which is there."""

_PROBE = b"""#let d = json("document.json")
#set document(title: "Signs", date: datetime(year: 2000, month: 1, day: 1))
#set text(font: d.families)
#for sign in d.signs [#sign #parbreak()]
"""
_LONG = re.compile(r"\S{29,}")
_BREAK = "\u200b"

_known: dict[str, bool] = {}


def compile_pdf(files: dict[str, bytes]) -> bytes:
    """The PDF/A-3b of `main.typ` among these files. Raises typst.TypstError."""
    # Its stub does not know files from memory.
    compiler: Any = cast("Any", typst.Compiler)(files, font_paths=_fonts(), ignore_system_fonts=True)
    made = compiler.compile(format="pdf", pdf_standards=["a-3b"], pdf_tags=False)
    assert isinstance(made, bytes), "one document is one file"
    return made


def settable(value: Any) -> Any:
    """All texts in it so that they can be set; what is no text stays as it is."""
    signs = {sign for text in _texts(value) for sign in text if ord(sign) >= _SURE}
    if unknown := sorted(signs - _known.keys()):
        _look_up(unknown)
    missing = {ord(sign): _MISSING for sign in signs if not _known[sign]}
    return _changed(value, missing)


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for one in cast("dict[str, Any]", value).values() for text in _texts(one)]
    if isinstance(value, list):
        return [text for one in cast("list[Any]", value) for text in _texts(one)]
    return []


def _changed(value: Any, missing: dict[int, str]) -> Any:
    if isinstance(value, str):
        return _LONG.sub(_broken, value.translate(missing) if missing else value)
    if isinstance(value, dict):
        return {name: _changed(one, missing) for name, one in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [_changed(one, missing) for one in cast("list[Any]", value)]
    return value


def _broken(word: re.Match[str]) -> str:
    return _BREAK.join(word[0][place : place + 4] for place in range(0, len(word[0]), 4))


def _look_up(signs: list[str]) -> None:
    """Learns which of these can be drawn: all of them at once, and where that fails each half by itself."""
    files = {"main.typ": _PROBE, "document.json": json.dumps({"signs": signs, "families": FAMILIES}).encode()}
    try:
        compile_pdf(files)
        _known.update(dict.fromkeys(signs, True))
    except typst.TypstError:
        if len(signs) == 1:
            _known[signs[0]] = False
            return
        half = len(signs) // 2
        _look_up(signs[:half])
        _look_up(signs[half:])


@cache
def _fonts() -> typst.Fonts:
    """Read once, from packages and never from the machine."""
    found: list[str | Path] = []
    for package in (*_NEEDED, *_SCRIPTS):
        spec = importlib.util.find_spec(package)
        if spec is not None and spec.origin:
            found.append(Path(spec.origin).parent)
        else:
            assert package in _SCRIPTS, f"{package} is installed with the product"
    return typst.Fonts(include_system_fonts=False, font_paths=cast("Any", found))
