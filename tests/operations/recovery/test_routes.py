"""What the API says of recovery, who may start something, and what becomes of a run whose worker dies."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import orjson
import psycopg
import pytest
from psycopg import errors

from core.api.app import create_app
from core.billing.payments.providers.simulator.main import Simulator
from core.foundation.database import Database
from core.foundation.runtime import Runtime
from core.foundation.settings import Settings
from core.operations.recovery import evidence, looking, repository
from core.operations.recovery.holding import hold_copy
from core.operations.recovery.looking import look
from core.worker.app import run_until_idle
from tests.support import callers, lifespan
from tests.support.callers import Caller
from tests.support.furnished import made
from tests.support.servers import Servers

Connect = Callable[..., Awaitable[psycopg.AsyncConnection[Any]]]


@pytest.fixture
async def finance(make_operator: Callable[..., Awaitable[Caller]]) -> Caller:
    return await make_operator("finance")


def drill_document(**changes: Any) -> dict[str, Any]:
    return {
        "scenario": "pitr",
        "passed": True,
        "error": None,
        "rpo_seconds": 3.6,
        "rto_seconds": 78.0,
        "steps": {"restored": 7.5, "served": 6.6, "verified": 64.0},
        "started_at": "2026-11-21T10:00:00Z",
        "finished_at": "2026-11-21T10:01:18Z",
        "database_bytes": 545_000_000,
        "checked": {"entries": 1_026_000, "findings": []},
        **changes,
    }


async def test_an_installation_of_which_nothing_is_known_says_so(operator: Caller) -> None:
    backups = await made(operator.get("/operations/backups"))
    assert (backups["seenAt"], backups["isFresh"], backups["data"], backups["place"]) == (None, False, [], None)
    recovery = await made(operator.get("/operations/recovery"))
    assert recovery["state"] == "not_ready"
    states = {item["key"]: item["state"] for item in recovery["items"]}
    assert states["backup"] == states["window"] == states["log"] == states["evidence"] == "unknown"
    assert (states["drill"], states["hold"]) == ("not_ready", "ready")
    assert {place["rto"] for place in recovery["places"]} == {"untested"}
    assert (recovery["daysSinceDrill"], recovery["evidenceFaults"]) == (None, None)
    assert (await made(operator.get("/operations/drills")))["data"] == []


async def test_what_the_worker_saw_is_told(runtime: Runtime, operator: Caller) -> None:
    await look(runtime)
    backups = await made(operator.get("/operations/backups"))
    assert backups["isFresh"]
    assert backups["place"]["cloud"] == "local"
    recovery = await made(operator.get("/operations/recovery"))
    states = {item["key"]: (item["state"], item["says"]) for item in recovery["items"]}
    assert states["backup"] == ("not_ready", "No backups are made here.")
    assert states["evidence"][0] == "ready"


async def test_what_could_not_be_looked_at_keeps_what_was_seen_and_says_why(
    database: Database, operator: Caller
) -> None:
    async with database.nobody() as session:
        for document, error in (({"faults": []}, None), (None, "cloud_refused: rds:DescribeDBInstances")):
            await session.execute(
                looking._STORE, {"part": "evidence", "document": document, "error": error, "at": datetime.now(UTC)}
            )
    async with database.reading() as session:
        row = (await repository.list_standing(session))["evidence"]
    assert (row.document, row.error) == ({"faults": []}, "cloud_refused: rds:DescribeDBInstances")
    assert row.seen_at < row.asked_at
    assert (await made(operator.get("/operations/drills")))["faults"] == []


async def test_a_drill_of_the_command_line_and_its_evidence_are_shown(
    database: Database, settings: Settings, operator: Caller
) -> None:
    number = await evidence.record(database, settings, "drill", drill_document())
    (row,) = (await made(operator.get("/operations/drills")))["data"]
    assert (row["drillId"], row["state"], row["evidence"], row["startedBy"]) == (str(number), "passed", number, None)
    assert (row["rtoSeconds"], row["entries"]) == (78.0, 1_026_000)
    one = await made(operator.get(f"/operations/drills/{number}"))
    assert [(step["name"], step["seconds"]) for step in one["steps"]] == [
        ("restored", 7.5),
        ("served", 6.6),
        ("verified", 64.0),
    ]
    assert one["hash"] == (await evidence.list_pieces(database))[0].hash
    assert orjson.loads(one["document"])["rto_seconds"] == 78.0
    recovery = await made(operator.get("/operations/recovery"))
    here = recovery["places"][0]
    assert (here["name"], here["rpo"], here["rto"]) == ("local", "met", "met")
    assert here["measured"]["rtoSeconds"] == 78.0
    assert recovery["daysSinceDrill"] == 0


async def test_drills_are_paged_newest_first(database: Database, settings: Settings, operator: Caller) -> None:
    for entries in (1, 2, 3):
        checked = {"entries": entries, "findings": []}
        await evidence.record(database, settings, "drill", drill_document(checked=checked))
    first = await made(operator.get("/operations/drills", limit=2))
    rest = await made(operator.get("/operations/drills", limit=2, cursor=first["nextCursor"]))
    assert [row["entries"] for row in (*first["data"], *rest["data"])] == [3, 2, 1]
    assert rest["nextCursor"] is None
    for cursor in ("nothing", "WyJhIiwiYiJd"):
        refused = await operator.get("/operations/drills", cursor=cursor)
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "cursor")


async def test_a_drill_is_started_once_and_its_failure_is_kept(
    runtime: Runtime, operator: Caller, finance: Caller, connect: Connect
) -> None:
    assert (await finance.post("/operations/drills", {"scenario": "pitr"})).status_code == 403
    started = await operator.post("/operations/drills", {"scenario": "pitr"})
    assert started.status_code == 202
    run_id = started.json()["runId"]
    again = await operator.post("/operations/drills", {"scenario": "snapshot"})
    assert (again.status_code, again.json()["code"]) == (409, "recovery_run_under_way")
    waiting = await made(finance.get(f"/operations/drills/{run_id}"))
    assert (waiting["state"], waiting["steps"]) == ("waiting", [])
    assert waiting["startedBy"].startswith("operator")
    await run_until_idle(runtime)
    (ended,) = (await made(operator.get("/operations/drills")))["data"]
    assert (ended["state"], ended["evidence"]) == ("failed", None)
    assert ended["error"].startswith("nothing_to_drill: there is no base backup")
    admin = await connect("admin")
    audited = await (await admin.execute("SELECT action, subject FROM audit_log ORDER BY id")).fetchall()
    assert ("drill.started", run_id) in audited
    assert (await operator.post("/operations/drills", {"scenario": "pitr"})).status_code == 202


async def test_in_a_cloud_a_drill_is_the_one_off_tasks(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings(cloud="aws", cloud_region="us-east-1", cloud_database="cloudbill-prod")
    application = create_app(settings)
    async with lifespan.started(application), lifespan.client_of(application) as client:
        callers.create_installation_user(settings.owner_url, "there@installation.test", "operator")
        operator = await callers.sign_in(client, "there@installation.test")
        refused = await operator.post("/operations/drills", {"scenario": "pitr"})
        assert (refused.status_code, refused.json()["code"]) == (409, "drill_elsewhere")
        recovery = await made(operator.get("/operations/recovery"))
        assert (recovery["place"], recovery["drillsStartHere"]) == ("aws", False)
        states = {item["key"]: item["state"] for item in recovery["items"]}
        assert (states["standby"], states["keys"]) == ("unknown", "ready")
        assert recovery["failover"][0]["command"] == "cloudbill failover plan --stack STACK"


@pytest.mark.parametrize(
    ("body", "field", "says"),
    [
        ({}, "scenario", "required"),
        ({"scenario": "flood"}, "scenario", "must be one of pitr, snapshot, dropped-table"),
        ({"scenario": "dropped-table"}, "confirm", "must repeat the scenario's name"),
        ({"scenario": "dropped-table", "confirm": "pitr"}, "confirm", "must repeat the scenario's name"),
        ({"scenario": "pitr", "wrong": 1}, "wrong", ""),
    ],
)
async def test_a_drill_that_cannot_be_is_refused_by_name(
    operator: Caller, body: dict[str, Any], field: str, says: str
) -> None:
    refused = await operator.post("/operations/drills", body)
    assert refused.status_code == 422
    (error,) = refused.json()["errors"]
    assert error["field"] == field
    assert says in error["message"]


async def test_what_does_not_exist_is_named(operator: Caller) -> None:
    for drill in (str(uuid4()), "77"):
        answer = await operator.get(f"/operations/drills/{drill}")
        assert (answer.status_code, answer.json()["code"]) == (404, "drill_not_found")
    assert (await operator.get("/operations/drills/flood")).status_code == 422


async def test_a_backup_without_anything_that_takes_it_fails_and_says_what_would(
    runtime: Runtime, operator: Caller
) -> None:
    assert (await operator.post("/operations/backups")).status_code == 202
    await run_until_idle(runtime)
    (run,) = (await made(operator.get("/operations/backups")))["runs"]
    assert run["state"] == "failed"
    assert "`cloudbill backup watch`" in run["error"]


async def test_a_run_whose_worker_died_is_shown_as_lost_and_the_next_may_start(
    runtime: Runtime, database: Database, operator: Caller, connect: Connect
) -> None:
    run_id = (await made(operator.post("/operations/drills", {"scenario": "pitr"})))["runId"]
    async with database.nobody() as session:
        assert (await repository.begin(session, UUID(run_id)) or object()).state == "begun"
        step = {"name": "restored", "started_at": "2026-11-21T10:00:00Z", "finished_at": None, "seconds": None}
        assert await repository.note(session, UUID(run_id), [{**step, "failed": False}], "recovering")
    running = await made(operator.get(f"/operations/drills/{run_id}"))
    assert (running["state"], running["doing"], running["steps"][0]["state"]) == ("running", "recovering", "running")
    admin = await connect("admin")
    await admin.set_autocommit(True)
    await admin.execute("UPDATE recovery_runs SET beat_at = beat_at - interval '121 seconds'")
    silent = await made(operator.get(f"/operations/drills/{run_id}"))
    assert (silent["state"], silent["error"]) == ("lost", "its process ended before it did")
    assert (await operator.post("/operations/drills", {"scenario": "pitr"})).status_code == 202
    # Its job, given to another worker, finds it over and runs nothing.
    await run_until_idle(runtime)
    states = [row["state"] for row in (await made(operator.get("/operations/drills")))["data"]]
    assert states == ["failed", "lost"]


async def test_a_job_that_comes_again_closes_its_run_and_runs_nothing(
    runtime: Runtime, database: Database, operator: Caller
) -> None:
    run_id = (await made(operator.post("/operations/drills", {"scenario": "pitr"})))["runId"]
    async with database.nobody() as session:
        await repository.begin(session, UUID(run_id))
    await run_until_idle(runtime)
    lost = await made(operator.get(f"/operations/drills/{run_id}"))
    assert (lost["state"], lost["error"]) == ("lost", "its worker ended before it did")


async def test_a_run_that_is_over_is_never_changed(operator: Caller, runtime: Runtime, connect: Connect) -> None:
    await made(operator.post("/operations/drills", {"scenario": "pitr"}))
    await run_until_idle(runtime)
    for role in ("owner", "app"):
        connection = await connect(role)
        for statement in ("UPDATE recovery_runs SET state = 'passed'", "DELETE FROM recovery_runs"):
            with pytest.raises((errors.RestrictViolation, errors.InsufficientPrivilege)):
                await connection.execute(statement)
            await connection.rollback()


async def test_a_held_worker_is_released_with_a_reason_and_starts_nothing_before(
    own_stripe: Simulator,
    operator: Caller,
    finance: Caller,
    servers: Servers,
    database_name: str,
    connect: Connect,
) -> None:
    owner = servers.url("owner", database_name)
    assert hold_copy(owner, reason="restored as before-it", state_of=datetime.now(UTC) - timedelta(hours=1))
    held = await made(operator.get("/operations/recovery"))
    assert [hold["reason"] for hold in held["holds"]] == ["restored as before-it"]
    assert {item["key"]: item["state"] for item in held["items"]}["hold"] == "not_ready"
    refused = await operator.post("/operations/drills", {"scenario": "pitr"})
    assert (refused.status_code, refused.json()["code"]) == (409, "worker_held")
    wanted = {"reason": "the copy was checked", "confirm": "release"}
    assert (await finance.post("/operations/recovery/release", wanted)).status_code == 403
    for wrong in ({**wanted, "confirm": "yes"}, {**wanted, "reason": "x"}, {"reason": "the copy was checked"}):
        assert (await operator.post("/operations/recovery/release", wrong)).status_code == 422
    assert (await made(operator.get("/operations/recovery")))["holds"] != []
    released = await made(operator.post("/operations/recovery/release", wanted))
    assert (released["holds"], released["events"]) == (1, 0)
    assert (await made(operator.get("/operations/recovery")))["holds"] == []
    admin = await connect("admin")
    found = "SELECT a.reason, h.release FROM audit_log a, worker_holds h WHERE action = 'worker.released'"
    row = await (await admin.execute(found)).fetchone()
    assert row is not None
    assert row[0] == "the copy was checked"
    assert "(the copy was checked)" in row[1]
    again = await operator.post("/operations/recovery/release", wanted)
    assert (again.status_code, again.json()["code"]) == (409, "worker_not_held")
