"""`cloudbill operator create`: the only way to a user of the installation."""

import getpass
import os
import sys
from typing import Annotated, Literal

import typer

from core.foundation.settings import load_settings

PASSWORD_VARIABLE = "CLOUDBILL_OPERATOR_PASSWORD"

app = typer.Typer(help="Users of the installation: operators and finance.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Users of the installation: operators and finance."""


@app.command("create")
def create(
    email: Annotated[str, typer.Argument(help="E-mail to sign in with.")],
    role: Annotated[Literal["operator", "finance"], typer.Option(help="operator may enter tenants; finance reads.")] = (
        "operator"
    ),
    password_stdin: Annotated[bool, typer.Option("--password-stdin", help="Read the password from a pipe.")] = False,
    if_missing: Annotated[
        bool, typer.Option("--if-missing", help="A user with that role and e-mail is left as it is.")
    ] = False,
) -> None:
    """Create a user of the installation. Needs DATABASE_URL, the owner's address: it is done on the server only."""
    from core.foundation.errors import InvalidInput
    from core.identity.users.operators import create_installation_user

    settings = load_settings()
    try:
        outcome = create_installation_user(
            settings.owner_url, email=email, role=role, password=_password(password_stdin), if_missing=if_missing
        )
    except ValueError as error:
        raise InvalidInput("email", str(error)) from None
    typer.echo(f"{email} signs in as {role}." if outcome == "created" else f"{email} is there already, as {role}.")


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    given = os.environ.get(PASSWORD_VARIABLE)
    if given:
        return given
    if not sys.stdin.isatty():
        raise typer.BadParameter(f"give the password with --password-stdin or in {PASSWORD_VARIABLE}")
    first = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != first:
        raise typer.BadParameter("the two passwords differ")
    return first
