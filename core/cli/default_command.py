"""A group of commands with one that is meant when none is named, as in `cloudbill cost prod`."""

from typing import Any

from typer.core import TyperGroup


class DefaultCommand(TyperGroup):
    """The first command that was added is the one; `--help` of the group shows its options and lists the others."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Names the default command where no other is named."""
        default = next(iter(self.commands))
        if args and args[0] not in self.commands:
            args = [default, *args]
        return super().parse_args(ctx, args)
