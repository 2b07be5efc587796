"""The commands that serve or prepare: migrate, api, worker, console."""

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from core.cli.supervisor.errors import StartRefused
from core.foundation.settings import load_settings


def migrate() -> None:
    """Bring the schema up to date as the owner (DATABASE_URL) and let the serving roles sign in."""
    from core.foundation.migrations.upgrade import ensure_logins, upgrade_schema

    settings = load_settings()
    before, after = upgrade_schema(settings.owner_url)
    made = ensure_logins(settings)
    if made:
        typer.echo(f"Logins: {', '.join(made)}")
    typer.echo(f"at {after}, nothing to do" if before == after else f"from {before or 'empty'} to {after}")


def check_migrations() -> None:
    """Migrate an empty database of an embedded server and compare it with the models; nothing else is touched."""
    from alembic.util.exc import CommandError

    from core.foundation.embedded.postgres import EmbeddedPostgres
    from core.foundation.migrations.upgrade import compare_models, upgrade_schema

    with tempfile.TemporaryDirectory(prefix="cloudbill-") as folder:
        Path(folder).chmod(0o711)  # PostgreSQL may run under another account
        server = EmbeddedPostgres(Path(folder) / "postgres", options={"fsync": "off"})
        try:
            server.start()
            upgrade_schema(server.url())
            compare_models(server.url())
        except CommandError as error:
            raise StartRefused(f"The models and the migrations differ: {error}. Add a migration.") from None
        finally:
            server.delete()
    typer.echo("The migrations make exactly what the models say.")


def api() -> None:
    """Serve the API on HOST:PORT."""
    from granian.constants import Interfaces
    from granian.log import LogLevels
    from granian.server import Server

    from core.foundation.crypto import Sealer
    from core.foundation.following import where
    from core.foundation.roles import refuse_unsafe_url
    from core.identity.tokens.foreign import foreign_issuer

    settings = load_settings()
    _check_port("PORT", settings.host, settings.port)
    # Asked here: a worker process that cannot start would be started again and again, with a traceback each time.
    serves = where(settings)
    refuse_unsafe_url(serves.app if serves else settings.app_url)
    _ = (settings.operator_url, settings.cache_url, Sealer(settings), foreign_issuer(settings))
    Server(
        "core.api.app:create_app",
        factory=True,
        interface=Interfaces.ASGI,
        address=settings.host,
        port=settings.port,
        websockets=False,
        respawn_failed_workers=True,  # without it a dead worker leaves a port that nobody answers
        workers_kill_timeout=10,
        log_level=LogLevels(settings.log_level),
    ).serve()


def gateway() -> None:
    """Serve all groups at one address (HOST:PORT), each from where AUTH_SERVICE_URL … NOTIFICATION_SERVICE_URL say."""
    from granian.constants import Interfaces
    from granian.log import LogLevels
    from granian.server import Server

    from core.api.gateway.app import services_of

    settings = load_settings()
    services_of(settings)
    _check_port("PORT", settings.host, settings.port)
    Server(
        "core.api.gateway.app:create_gateway",
        factory=True,
        interface=Interfaces.ASGI,
        address=settings.host,
        port=settings.port,
        websockets=False,
        respawn_failed_workers=True,
        workers_kill_timeout=10,
        log_level=LogLevels(settings.log_level),
    ).serve()


def worker() -> None:
    """Run jobs until SIGTERM; jobs under way are finished first."""
    from core.worker.main import run

    run()


def console(
    build_only: Annotated[bool, typer.Option("--build-only", help="Build it and end.")] = False,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
) -> None:
    """Serve the console on CONSOLE_PORT."""
    from console.serve import BuildFailed, build, serve

    settings = load_settings()
    try:
        if build_only:
            build(settings.cloudbill_home)
            return
        _check_port("CONSOLE_PORT", host, settings.console_port)
        serve(settings.cloudbill_home, host=host, port=settings.console_port)
    except BuildFailed as error:
        typer.echo(error, err=True)
        raise StartRefused(
            "the console could not be built: check the network, which the first build "
            "fetches packages from, and the free disk space; then try again"
        ) from None


def _check_port(variable: str, host: str, port: int) -> None:
    # granian shares a port silently with whoever has it; better to refuse.
    from core.cli.supervisor.preflight import check_ports

    check_ports({variable: (host, port)})
