"""`cloudbill smoke URL`: the whole story against an installation, each step reported."""

import asyncio
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated

import httpx
import orjson
import typer

from core.foundation.addresses import is_local
from core.foundation.settings import load_settings
from core.operations.smoke.steps import Result, take
from core.operations.smoke.story import Story

app = typer.Typer()

_MARKS = {"pass": "ok  ", "fail": "FAIL", "skipped": "skip"}


class Format(StrEnum):
    """How a result is printed."""

    TEXT = "text"
    JSON = "json"


@app.command()
def smoke(
    url: Annotated[str, typer.Argument(help="The API's address, such as https://billing.example.com")],
    output: Annotated[Format, typer.Option("--format", help="text: a line a step; json: one document.")] = Format.TEXT,
) -> None:
    """Sign up a probe tenant, subscribe, buy, reconcile twice, look at the ledger, limits, CORS, TLS.

    Pays only with a test key (STRIPE_SECRET_KEY, STRIPE_API_BASE). Exit code 1 when a step fails.
    """
    if not url.startswith(("http://", "https://")):
        raise typer.BadParameter("must begin with http:// or https://", param_hint="URL")
    results = asyncio.run(_run(url.rstrip("/"), output))
    if output is Format.JSON:
        failed = any(result.outcome == "fail" for result in results)
        document = {"url": url, "passed": not failed, "steps": [asdict(result) for result in results]}
        typer.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
    else:
        count = {outcome: sum(result.outcome == outcome for result in results) for outcome in _MARKS}
        typer.echo(f"{count['pass']} passed, {count['fail']} failed, {count['skipped']} skipped")
    if any(result.outcome == "fail" for result in results):
        raise typer.Exit(1)


async def _run(url: str, output: Format) -> list[Result]:
    def tell(result: Result) -> None:
        if output is Format.TEXT:
            typer.echo(f"{_MARKS[result.outcome]}  {result.step:<24} {result.milliseconds:>6} ms  {result.detail}")

    # A proxy of the environment's leads away from this machine.
    async with httpx.AsyncClient(base_url=url, timeout=15, trust_env=not is_local(url)) as client:
        return await take(Story(client=client, address=url, settings=load_settings()).steps(), tell)
