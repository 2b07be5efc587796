"""`cloudbill`: one entry for every command. A command's module is imported only when that command is asked for."""

import importlib
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass

import typer

from core.cli.explanations import explain


@dataclass(frozen=True)
class _Command:
    """Where a command lives: a function, or a typer.Typer with commands of its own."""

    place: str
    """`module:attribute`"""
    summary: str
    adopts: bool = True
    """Whether it may reach the embedded installation without being told its addresses."""


COMMANDS = {
    "up": _Command("core.cli.lifecycle:up", "Start everything on this machine.", adopts=False),
    "down": _Command("core.cli.lifecycle:down", "Stop what `up` started; the data stays.", adopts=False),
    "reset": _Command("core.cli.lifecycle:reset", "Stop and delete the embedded servers' data.", adopts=False),
    "status": _Command("core.cli.lifecycle:status", "Say how each part is.", adopts=False),
    "migrate": _Command("core.cli.serving:migrate", "Bring the database's schema and logins up to date."),
    "check-migrations": _Command("core.cli.serving:check_migrations", "Compare the models with the schema."),
    "api": _Command("core.cli.serving:api", "Serve the API."),
    "gateway": _Command("core.cli.serving:gateway", "Serve the groups, each from its own service, at one address."),
    "worker": _Command("core.cli.serving:worker", "Run the jobs."),
    "console": _Command("core.cli.serving:console", "Serve the console."),
    "stripe-simulator": _Command("core.cli.stripe_simulator:stripe_simulator", "Serve the Stripe simulator."),
    "operator": _Command("core.cli.operators:app", "Create operators and finance users of the installation."),
    "ledger": _Command("core.cli.ledger:app", "Verify the ledger and its chain."),
    "records": _Command("core.cli.records:app", "Verify the audit log, look for card data, repeat erasures."),
    "invoices": _Command("core.cli.invoices:app", "Recompute invoices; see what the run set aside."),
    "payments": _Command("core.cli.payments:app", "Hold the payment provider's account against our books."),
    "keys": _Command("core.cli.keys:app", "Rotate signing keys; generate keys."),
    "jobs": _Command("core.cli.jobs:app", "List parked jobs and replay them."),
    "backup": _Command("core.cli.backup:app", "Make, list, verify and prune backups."),
    "restore": _Command("core.cli.restore:app", "Restore an instant or a backup into a new server beside."),
    "restored": _Command("core.cli.restored:app", "Look into restored servers, put one in place, drop them."),
    "recovery": _Command("core.cli.recovery:app", "See why a restored copy's worker waits, and let it go."),
    "drill": _Command("core.cli.drill:app", "Practise recovery: restore, verify, measure, keep the evidence."),
    "export": _Command("core.cli.transfer:export_command", "Write the whole installation to a folder or a bucket."),
    "import": _Command("core.cli.transfer:import_command", "Fill an empty database from an export, or judge one."),
    "standby": _Command("core.cli.standby:app", "Make and see servers that follow the embedded database."),
    "failover": _Command("core.cli.failover:app", "Let a standby take the primary's place, and go back."),
    "move": _Command("core.cli.move:app", "Move a running installation to another PostgreSQL, and back."),
    "cost": _Command("core.cli.cost:app", "Price a stack before it is spent.", adopts=False),
    "prices": _Command("core.cli.prices:app", "Refresh the price lists of estimates.", adopts=False),
    "bootstrap": _Command("core.cli.bootstrap:app", "Make what Pulumi needs before the first stack.", adopts=False),
    "destroy": _Command("core.cli.destroy:app", "Take a stack down after a last backup.", adopts=False),
    "deploy": _Command("core.cli.deploy:app", "Bring a stack up with Pulumi; goes on where it stopped.", adopts=False),
    "deployments": _Command("core.cli.deployments:app", "Keep what is deployed, and list it.", adopts=False),
    "smoke": _Command("core.cli.smoke:app", "Run the whole story against an installation."),
    "psql": _Command("core.cli.psql:app", "Open psql on a stack's private database.", adopts=False),
    "hold": _Command("core.cli.psql:hold", "Keep a one-off task open for a session.", adopts=False),
    "demo": _Command("core.cli.demo:app", "Create the demo installation."),
}


def application(words: list[str]) -> typer.Typer:
    """The Typer application for these words: the command they name is loaded, the others are only listed."""
    app = typer.Typer(
        name="cloudbill",
        help="CloudBill: multi-tenant billing with a console. `make up` starts it.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.callback()(_group)
    wanted = next((word for word in words if not word.startswith("-")), None)
    for name, command in COMMANDS.items():
        if name == wanted:
            _register(app, name, command)
        else:
            app.command(name, help=command.summary)(_listed_only)
    return app


def run() -> None:
    """Entry of the console script: errors are one line on standard error, and the exit code says so."""
    try:
        application(sys.argv[1:])()
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:  # the last place where an error can become a sentence
        if os.environ.get("CLOUDBILL_DEBUG"):
            raise
        print(f"cloudbill: {explain(error)}", file=sys.stderr, flush=True)
        sys.exit(1)


def _register(app: typer.Typer, name: str, command: _Command) -> None:
    if command.adopts:
        from core.cli.supervisor.environment import adopt_saved
        from core.cli.supervisor.home import Home

        adopt_saved(Home.find())
    module, _, attribute = command.place.partition(":")
    found: typer.Typer | Callable[..., object] = getattr(importlib.import_module(module), attribute)
    if not isinstance(found, typer.Typer):
        app.command(name)(found)
        return
    only = found.registered_commands[0].callback if len(found.registered_commands) == 1 else None
    if only is not None and only.__name__ == name:  # `cloudbill smoke URL`, not `cloudbill smoke smoke URL`
        app.command(name)(only)
    else:
        app.add_typer(found, name=name, help=command.summary)


def _group() -> None:
    """Makes every command a sub-command, also when only one is loaded."""


def _listed_only() -> None:
    """Stands for a command that was not asked for."""


if __name__ == "__main__":
    run()
