"""`cloudbill jobs list`, `cloudbill jobs replay`: what is parked, and another try for it."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer

from core.foundation import job_queue
from core.foundation.database import Database
from core.foundation.job_queue import STATES, QueuedJob
from core.foundation.settings import load_settings

app = typer.Typer(no_args_is_help=True)

Result = TypeVar("Result")


@app.command(name="list")
def list_jobs(
    state: Annotated[str, typer.Option(help=f"One of {', '.join(STATES)}, or all.")] = "parked",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many, newest first.")] = 50,
    output: Annotated[str, typer.Option("--format", help="text or json")] = "text",
) -> None:
    """List jobs; those that succeeded are not kept."""
    if state not in (*STATES, "all"):
        raise typer.BadParameter(f"must be one of {', '.join(STATES)}, all", param_hint="--state")

    async def read(database: Database) -> list[QueuedJob]:
        async with database.reading() as session:
            wanted = None if state == "all" else state
            found, _ = await job_queue.list_jobs(session, state=wanted, before=None, limit=limit)
        return found

    found = _with_database(read)
    if output == "json":
        print(json.dumps([_plain(job) for job in found], indent=2))
        return
    if not found:
        print(f"No job is {state}." if state != "all" else "No job waits.")
        return
    for job in found:
        print(_line(job))


@app.command(name="replay")
def replay(
    job_ids: Annotated[list[int] | None, typer.Argument(help="Ids of parked jobs.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All parked jobs.")] = False,
) -> None:
    """Put parked jobs back on the queue, with all their attempts."""
    if bool(job_ids) == every:
        raise typer.BadParameter("give ids of parked jobs, or --all")

    async def put_back(database: Database) -> int:
        wanted = list(job_ids or [])
        if every:
            async with database.reading() as session:
                before: int | None = None
                while True:
                    found, before = await job_queue.list_jobs(session, state="parked", before=before, limit=200)
                    wanted += [job.job_id for job in found]
                    if before is None:
                        break
        async with database.nobody() as session:
            for job_id in wanted:
                await job_queue.replay(session, job_id)
        return len(wanted)

    replayed = _with_database(put_back)
    print(f"{replayed} job{'' if replayed == 1 else 's'} back on the queue.")


def _with_database(work: Callable[[Database], Awaitable[Result]]) -> Result:
    async def run() -> Result:
        database = Database(load_settings())
        try:
            return await work(database)
        finally:
            await database.dispose()

    return asyncio.run(run())


def _line(job: QueuedJob) -> str:
    arguments = " ".join(f"{name}={value}" for name, value in job.arguments.items())
    failed = f" at {job.failed_at:%Y-%m-%d %H:%M:%S}Z: {job.last_error}" if job.failed_at else ""
    return f"{job.job_id}  {job.task}  {job.state}  attempts {job.attempts}  {arguments}{failed}"


def _plain(job: QueuedJob) -> dict[str, object]:
    return {
        "jobId": job.job_id,
        "task": job.task,
        "status": job.state,
        "attempts": job.attempts,
        "arguments": job.arguments,
        "lastError": job.last_error,
        "failedAt": job.failed_at.isoformat() if job.failed_at else None,
    }
