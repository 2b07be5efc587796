"""`cloudbill payments`: hold the payment provider's account against our books."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any

import orjson
import typer

from core.billing.payments.gateway import close_providers
from core.billing.payments.reconciling import acknowledging, standing
from core.billing.payments.reconciling.comparing import Compared, Key
from core.billing.payments.reconciling.reconcile import WINDOW, reconcile
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


class Kind(StrEnum):
    """What moves on the provider's account."""

    CHARGE = "charge"
    REFUND = "refund"
    DISPUTE = "dispute"


@app.callback()
def group() -> None:
    """Hold the payment provider's account against our books."""


Days = Annotated[int, typer.Option(min=1, max=366, help="How far back is looked.")]


@app.command(name="reconcile")
def reconcile_command(
    days: Days = WINDOW.days,
    as_format: Annotated[Format, typer.Option("--format", help="text or json.")] = Format.TEXT,
) -> None:
    """Compare charges, refunds, disputes and payouts with our rows and the ledger; 1 where somebody has to act."""
    done, answer = asyncio.run(_reconcile(load_settings(), days=days))
    if as_format is Format.JSON:
        typer.echo(orjson.dumps(dump(answer), option=orjson.OPT_INDENT_2).decode())
    else:
        _print(answer, asking=len(done.open_findings))
    raise typer.Exit(1 if done.open_findings else 0)


@app.command(name="acknowledge")
def acknowledge_command(
    kind: Annotated[Kind, typer.Argument(help="What moved: charge, refund or dispute.")],
    provider_id: Annotated[str, typer.Argument(help="Its id at the provider, as `reconcile` names it.")],
    reason: Annotated[str, typer.Option(help="Whose it is, and why it is not ours; at least 3 characters.")] = "",
    days: Days = WINDOW.days,
    back: Annotated[bool, typer.Option("--take-back", help="Take back what was said of it.")] = False,
) -> None:
    """Say whose a movement is that the provider made and that is not ours; it asks for nobody any more."""
    if not back and not (3 <= len(reason.strip()) <= 500 and reason.isprintable()):
        raise typer.BadParameter("say whose it is, in 3 to 500 characters", param_hint="--reason")
    typer.echo(
        asyncio.run(_acknowledge(load_settings(), (kind.value, provider_id), reason.strip(), days=days, back=back))
    )


async def _reconcile(settings: Settings, *, days: int) -> tuple[Compared, ReconciliationAnswer]:
    async with _compared(settings, days=days) as (_, done, since):
        return done, show(done, since=since)


async def _acknowledge(settings: Settings, key: Key, reason: str, *, days: int, back: bool) -> str:
    given: Any = {"account_id": settings.stripe_account_id, "actor": None, "wall": wall_now()}
    if back:
        database = Database(settings)
        try:
            await acknowledging.take_back(database, key, **given)
        finally:
            await database.dispose()
        return f"{key[0]} {key[1]} asks for somebody again."
    async with _compared(settings, days=days) as (database, done, _):
        finding, replayed = await acknowledging.acknowledge(database, done, key, reason=reason, **given)
    known = "was acknowledged before" if replayed else "is acknowledged"
    return f"{key[0]} {key[1]} of {finding.theirs_minor} {finding.currency} (minor units) {known}: {finding.detail}"


@contextlib.asynccontextmanager
async def _compared(settings: Settings, *, days: int) -> AsyncGenerator[tuple[Database, Compared, datetime]]:
    """What was compared, since when; how it stands in the end is remembered."""
    database, wall = Database(settings), wall_now()
    since = wall - timedelta(days=days)
    try:
        done = await reconcile(database, settings, since=since, wall=wall)
        yield database, done, since
        cache = create_cache(settings)
        await standing.remember(cache, done, since=since, at=wall)
        await cache.aclose()
    finally:
        await close_providers()
        await database.dispose()


def _print(answer: ReconciliationAnswer, *, asking: int) -> None:
    since, others = answer.since.date().isoformat(), len(answer.differences) - asking
    besides = f" ({others} more that ask for nobody)" if others else ""
    differences = "1 difference" if asking == 1 else f"{asking} differences"
    typer.echo(f"Compared {answer.compared} since {since}: {differences}{besides}.")
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
