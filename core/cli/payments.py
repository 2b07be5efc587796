"""`cloudbill payments`: hold the payment provider's account against our books."""

import asyncio
import contextlib
from datetime import timedelta
from enum import StrEnum
from typing import Annotated

import orjson
import typer
from redis.exceptions import RedisError

from core.billing.payments.gateway import close_providers
from core.billing.payments.reconciling import standing
from core.billing.payments.reconciling.comparing import Compared
from core.billing.payments.reconciling.reconcile import reconcile
from core.billing.payments.reconciling.schemas import ReconciliationAnswer
from core.billing.payments.reconciling.showing import show
from core.foundation.cache import create_cache
from core.foundation.clock import wall_now
from core.foundation.database import Database
from core.foundation.schemas import dump
from core.foundation.settings import Settings, load_settings

app = typer.Typer(no_args_is_help=True)


class Format(StrEnum):
    """How a result is printed."""

    TEXT = "text"
    JSON = "json"


@app.callback()
def group() -> None:
    """Hold the payment provider's account against our books."""


@app.command(name="reconcile")
def reconcile_command(
    days: Annotated[int, typer.Option(min=1, max=366, help="How far back.")] = 30,
    as_format: Annotated[Format, typer.Option("--format", help="text or json.")] = Format.TEXT,
) -> None:
    """Compare charges, refunds, disputes and payouts with our rows and the ledger; 1 where somebody has to act."""
    done, answer = asyncio.run(_reconcile(load_settings(), days=days))
    if as_format is Format.JSON:
        typer.echo(orjson.dumps(dump(answer), option=orjson.OPT_INDENT_2).decode())
    else:
        _print(answer, since=answer.since.date().isoformat())
    raise typer.Exit(1 if done.open_findings else 0)


async def _reconcile(settings: Settings, *, days: int) -> tuple[Compared, ReconciliationAnswer]:
    database, wall = Database(settings), wall_now()
    since = wall - timedelta(days=days)
    try:
        done = await reconcile(database, settings, since=since, wall=wall)
        with contextlib.suppress(RedisError, OSError):  # who is not told now is told by the next night's
            cache = create_cache(settings)
            await standing.remember(cache, done, at=wall)
            await cache.aclose()
        return done, show(done, since=since)
    finally:
        await close_providers()
        await database.dispose()


def _print(answer: ReconciliationAnswer, *, since: str) -> None:
    typer.echo(f"Compared {answer.compared} since {since}: {len(answer.differences)} differences.")
    for account in answer.accounts:
        typer.echo(
            f"{account.currency} (minor units): charged {account.charged_minor}, refunded {account.refunded_minor}, "
            f"disputed {account.disputed_minor}, fees {-account.fees_minor}, paid out {account.paid_out_minor}, "
            f"other {account.other_minor} = {account.net_minor} net; unexplained {account.unexplained_minor}"
        )
    for found in answer.differences:
        typer.echo(
            f"{found.difference}: {found.kind} {found.provider_id} ours {found.ours_minor} theirs "
            f"{found.theirs_minor} {found.currency}; {found.detail}"
        )
