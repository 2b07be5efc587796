"""Tables on a terminal."""

from rich.console import Console
from rich.table import Table

from core.operations.costs.reporting import Grid


def draw(grid: Grid) -> None:
    """A grid of figures, with its notes below."""
    table = Table(title=grid.title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for place, heading in enumerate(grid.headings):
        table.add_column(heading, justify="right" if place in grid.numbers else "left", overflow="fold")
    for place, row in enumerate(grid.rows):
        table.add_row(*row, style="bold" if place in grid.strong else None)
    console = Console()
    console.print(table)
    for note in grid.notes:
        console.print(note, style="dim", highlight=False, soft_wrap=True)
