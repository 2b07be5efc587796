"""Sizes and durations as a person reads them."""

from __future__ import annotations

from console.figures import parse_instant


def size(number: int | None) -> str:
    """`512 MB`, in units of 1024."""
    if number is None:
        return "–"
    value = float(number)
    for unit in ("B", "KB", "MB", "GB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if value >= 10 or unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TB"


def duration(seconds: float | None) -> str:
    """`3.6 s`, `78 s`, `12 min`, `5 h`, `7 days`: one unit, the next one where it is small."""
    if seconds is None:
        return "–"
    if seconds < 10:
        return f"{seconds:.1f} s".replace(".0 s", " s")
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    if seconds < 2 * 86400:
        return f"{seconds / 3600:.0f} h"
    return f"{seconds / 86400:.0f} days"


def between(start: str, end: str) -> str:
    """From one instant of the API to another."""
    return duration((parse_instant(end) - parse_instant(start)).total_seconds())
