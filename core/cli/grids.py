"""How a table with its notes is printed: drawn for a terminal, as JSON, or as Markdown."""

import shutil
import sys
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import orjson
import typer
from rich.console import Console
from rich.table import Table

from core.operations.costs.showing import Grid, markdown

NARROWEST = 160
"""Letters of a line where the output is no terminal: nothing is folded there."""


class Format(StrEnum):
    """How an estimate is printed."""

    TABLE = "table"
    JSON = "json"
    MARKDOWN = "markdown"
    FOCUS = "focus"


class TableFormat(StrEnum):
    """How another result is printed."""

    TABLE = "table"
    JSON = "json"
    MARKDOWN = "markdown"


def show(grid: Grid, document: Mapping[str, Any], output: str) -> None:
    """In the form that is asked for."""
    match output:
        case "json":
            typer.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
        case "markdown":
            typer.echo(markdown(grid))
        case _:
            draw(grid)


def draw(grid: Grid) -> None:
    """As a table, as wide as the terminal."""
    table = Table(header_style="bold", box=None, pad_edge=False)
    for place, heading in enumerate(grid.headings):
        table.add_column(heading, justify="right" if place in grid.numbers else "left", overflow="fold")
    for place, row in enumerate(grid.rows):
        table.add_row(*row, style="bold" if place in grid.strong else None)
    width = None if sys.stdout.isatty() else max(NARROWEST, shutil.get_terminal_size().columns)
    console = Console(width=width)
    console.print(grid.title, style="italic", highlight=False, soft_wrap=True)
    console.print(table)
    for note in grid.notes:
        console.print(note, style="dim", highlight=False, soft_wrap=True)
