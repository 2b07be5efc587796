"""What a person needs after a start: addresses and sign-ins, in a box on a terminal, in plain lines elsewhere."""

import sys
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel

from core.cli.supervisor.home import Home
from core.cli.supervisor.state import State

_TITLE = "CloudBill is up"


def show_summary(home: Home, state: State, *, last_line: str) -> None:
    """Passwords come from the secret files: they are shown to the person who starts it, and never logged."""
    sections = [_addresses(state)]
    if state.operator:
        sections.append([("Operator", state.operator), ("password", home.secrets.find("operator-password") or "")])
    if state.outside_database:
        sections.append([("Operator", "whom you make: cloudbill operator create EMAIL")])
    if state.demo:
        sections.append([*_demo(home), ("", f"The demo is {state.demo}.")])
    places = [("Data", str(home.folder)), ("Logs", str(home.log))]
    if backups := state.parts.get("backups"):
        places.append(("Backups", f"{backups.url} (`cloudbill backup list`)"))
    sections += [[*places, ("Command", _command())], [("", last_line)]]
    lines = ["\n".join(f"{name:<9} {value}".lstrip() for name, value in section) for section in sections]
    console = Console(highlight=False)
    if console.is_terminal:
        console.print(Panel(escape("\n\n".join(lines)), title=_TITLE, expand=False, padding=(1, 2)))
    else:
        print("\n" + "\n\n".join([_TITLE, *lines]), flush=True)


def _command() -> str:
    return str(Path(sys.executable).with_name("cloudbill"))


def _addresses(state: State) -> list[tuple[str, str]]:
    urls = {name: part.url for name, part in state.parts.items()}
    return [
        ("Console", urls["console"]),
        ("API", urls["api"]),
        ("API docs", f"{urls['api']}/docs"),
        ("Stripe", urls["stripe"]),
    ]


def _demo(home: Home) -> list[tuple[str, str]]:
    from core.foundation.settings import load_settings
    from core.operations.demo.create import demo_password
    from core.operations.demo.profiles import PROFILES

    settings = load_settings()
    if settings.encryption_key is None:
        settings = load_settings(encryption_key=home.secrets.find("encryption-key"))
    first = PROFILES[0]
    return [
        ("Demo", f"{first.owner.split()[-1].lower()}@{first.slug}.example"),
        ("password", f"{demo_password(settings)} (of every tenant's owner)"),
    ]
