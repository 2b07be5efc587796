"""Operators see the queue and put parked jobs back; nobody else does."""

import json
from collections.abc import Awaitable, Callable

from typer.testing import CliRunner

from core.foundation.jobs import defer
from core.foundation.runtime import Runtime
from core.worker.app import run_until_idle
from tests.support import probe_worker
from tests.support.callers import Caller
from tests.support.environment import of_process


async def park(runtime: Runtime, cause: str) -> None:
    async with runtime.database.nobody() as session:
        await defer(session, "probe:refuse", cause=cause)
    await run_until_idle(runtime)


async def test_a_parked_job_is_listed_and_replayed_by_an_operator(
    runtime: Runtime, operator: Caller, tenant: Caller, make_operator: Callable[..., Awaitable[Caller]]
) -> None:
    await park(runtime, "listed")
    body = (await operator.get("/operations/jobs", state="parked")).json()
    (job,) = body["data"]
    assert (job["task"], job["status"], job["attempts"], job["arguments"]) == (
        "probe:refuse",
        "parked",
        1,
        {"cause": "listed"},
    )
    assert job["lastError"] == "listed can never be done"
    assert body["nextCursor"] is None
    path = f"/operations/jobs/{job['jobId']}/replay"
    assert (await tenant.post(path)).status_code == 403
    assert (await tenant.get("/operations/jobs")).status_code == 403
    assert (await (await make_operator("finance")).post(path)).status_code == 403
    assert "cloudbill_jobs_parked 1.0" in (await operator.client.get("/metrics")).text

    probe_worker.healed.add("listed")
    replayed = await operator.post(path)
    assert (replayed.status_code, replayed.json()) == (200, {"jobId": job["jobId"], "status": "queued"})
    again = await operator.post(path)
    assert (again.status_code, again.json()["code"]) == (409, "job_not_parked")
    await run_until_idle(runtime)
    assert (await operator.get("/operations/jobs")).json()["data"] == []
    assert (await operator.post("/operations/jobs/99999/replay")).status_code == 404
    assert (await operator.post("/operations/jobs/0/replay")).status_code == 422
    assert (await operator.get("/operations/jobs", cursor="x")).status_code == 422


async def test_jobs_come_in_pages(runtime: Runtime, operator: Caller) -> None:
    async with runtime.database.nobody() as session:
        for number in range(3):
            await defer(session, "probe:note", word=str(number))
    first = (await operator.get("/operations/jobs", limit=2)).json()
    rest = (await operator.get("/operations/jobs", limit=2, cursor=first["nextCursor"])).json()
    assert [job["arguments"]["word"] for job in first["data"] + rest["data"]] == ["2", "1", "0"]
    assert rest["nextCursor"] is None


async def test_the_command_lists_and_replays(runtime: Runtime) -> None:
    import asyncio

    from core.cli.jobs import app

    await park(runtime, "by command")
    runner, environment = CliRunner(), of_process(runtime.settings)

    async def cloudbill_jobs(*words: str) -> str:
        result = await asyncio.to_thread(runner.invoke, app, list(words), env=environment)
        assert result.exit_code == 0, result.output
        return result.output

    line = await cloudbill_jobs("list")
    assert "probe:refuse  parked  attempts 1  cause=by command at " in line
    assert line.endswith("Z: by command can never be done\n")
    (job,) = json.loads(await cloudbill_jobs("list", "--format", "json"))
    assert job["status"] == "parked"
    assert await cloudbill_jobs("replay", str(job["jobId"])) == "1 job back on the queue.\n"
    assert await cloudbill_jobs("list") == "No job is parked.\n"
    await run_until_idle(runtime)
    assert await cloudbill_jobs("replay", "--all") == "1 job back on the queue.\n"
