"""What stands against a move, found before anything is changed; each finding says how to mend it.

`blocks` stops the move; `warns` is worth knowing. Asked as the mover on both sides and as the owner on the target,
with reads alone.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, LiteralString

import psycopg

from core.foundation import fence
from core.operations.transfer import schema
from core.operations.transfer.errors import TransferError
from core.operations.transfer.moving.errors import MoveError
from core.operations.transfer.moving.journal import Ends
from core.operations.transfer.moving.proving import CLOCK_SECONDS, clock_offset, clocks_apart
from core.operations.transfer.moving.replication import Line
from core.operations.transfer.moving.servers import Endpoint
from core.operations.transfer.receiving import IDLE
from core.operations.transfer.tables import Connection, Table, inventory, refuse_hidden_rows, settle

NOBODY = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    what: str
    side: str
    state: str
    """ok, warns or blocks"""
    detail: str


@dataclass
class Report:
    """All of them, and what the move would carry."""

    findings: list[Finding] = field(default_factory=list[Finding])
    tables: list[Table] = field(default_factory=list[Table])
    source_bytes: int = 0
    source_version: str = ""
    target_version: str = ""

    @property
    def blocked(self) -> list[Finding]:
        """What has to be mended first."""
        return [finding for finding in self.findings if finding.state == "blocks"]

    def add(self, what: str, side: str, detail: str, state: str = "ok") -> None:
        """Note one."""
        self.findings.append(Finding(what=what, side=side, state=state, detail=detail))

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "passed": not self.blocked,
            "sourceBytes": self.source_bytes,
            "sourceVersion": self.source_version,
            "targetVersion": self.target_version,
            "tables": len(self.tables),
            "findings": [asdict(finding) for finding in self.findings],
        }


def look(ends: Ends, *, ours: str | None = None) -> Report:
    """Looks at both sides. `ours`: the move that may already have begun to fill the target."""
    report = Report()
    with (
        settle(ends.source.connect("preflight")) as source,
        settle(ends.target.connect("preflight")) as target,
        settle(ends.target_owner.connect("preflight")) as owner,
    ):
        for endpoint, connection in ((ends.source, source), (ends.target, target)):
            _server(report, endpoint, connection)
        if report.blocked:  # another version, a standby: the rest would be asked in vain
            return report
        for endpoint, connection in ((ends.source, source), (ends.target, target)):
            _replication(report, endpoint, connection)
        report.source_version = source.info.parameter_status("server_version") or ""
        report.target_version = target.info.parameter_status("server_version") or ""
        if _same_database(source, target):
            report.add("two databases", "both", "source and target are the same database: name two", "blocks")
            return report
        _checked(report, "tables", "source", lambda: _tables(report, source))
        _checked(report, "rights", "source", lambda: refuse_hidden_rows(source, report.tables))
        _checked(report, "rights", "target", lambda: refuse_hidden_rows(target, report.tables))
        _schemas(report, source, owner, ours)
        _fences(report, source, target, ours)
        _owner(report, owner, ends)
        _emptiness(report, owner, ours)
        _room(report, source, owner)
        _surroundings(report, source, target)
    return report


def _checked(report: Report, what: str, side: str, work: Callable[[], object]) -> None:
    try:
        work()
    except (TransferError, MoveError) as error:
        report.add(what, side, error.detail, "blocks")
    except psycopg.Error as error:
        report.add(what, side, str(error).splitlines()[0], "blocks")
    else:
        report.add(what, side, "in order")


def _tables(report: Report, source: Connection) -> None:
    report.tables = inventory(source)
    if row := source.execute("SELECT pg_database_size(current_database())").fetchone():
        report.source_bytes = int(row[0])


def _server(report: Report, endpoint: Endpoint, connection: Connection) -> None:
    version, side = connection.info.server_version // 10_000, endpoint.side
    hint = "" if version >= 15 else ": 15 or newer is needed"
    report.add("version", side, f"PostgreSQL {version}{hint}", _unless(not hint))
    encoding = connection.info.parameter_status("server_encoding")
    wrong = encoding != "UTF8"
    report.add("encoding", side, f"{encoding}{': it must be UTF8' if wrong else ''}", "blocks" if wrong else "ok")
    row = connection.execute(
        "SELECT r.rolsuper, r.rolbypassrls, CASE WHEN to_regrole('cloudbill_mover') IS NOT NULL "
        "THEN pg_has_role(current_user, 'cloudbill_mover', 'USAGE') END "
        "FROM pg_roles r WHERE r.rolname = current_user"
    ).fetchone()
    assert row
    if row[2] is None:
        report.add("mover", side, "no role cloudbill_mover: `cloudbill migrate` there first", "blocks")
    elif not row[2]:
        report.add("mover", side, f"{endpoint.user} is no member: GRANT cloudbill_mover TO {endpoint.user}", "blocks")
    elif row[0] or row[1]:
        report.add("mover", side, f"{endpoint.user} is a superuser or bypasses row security: not needed", "warns")
    else:
        report.add("mover", side, f"{endpoint.user}, an ordinary member of cloudbill_mover")
    if standby := _standby(connection):
        report.add("takes writes", side, standby, "blocks")
    skew, error = clock_offset(connection)
    late = abs(skew) - error > CLOCK_SECONDS
    hint = ": mend its clock or this machine's (NTP); jobs and leases go by it" if late else ""
    report.add("clock", side, f"{skew:+.1f} s from here{hint}", "warns" if late else "ok")


def _standby(connection: Connection) -> str | None:
    row = connection.execute("SELECT pg_is_in_recovery()").fetchone()
    return "it is a standby: give the address of the primary" if row and row[0] else None


def _replication(report: Report, endpoint: Endpoint, connection: Connection) -> None:
    side = endpoint.side
    managed = _managed(connection)
    level = _setting(connection, "wal_level")
    how = {
        "rds": "set rds.logical_replication=1 in the parameter group and reboot",
        "cloudsql": "set the flag cloudsql.logical_decoding=on (the instance restarts)",
        "": "ALTER SYSTEM SET wal_level = logical, and restart",
    }[managed]
    report.add("wal_level", side, level if level == "logical" else f"{level}: {how}", _unless(level == "logical"))
    for setting, view in (
        ("max_replication_slots", "pg_replication_slots"),
        ("max_wal_senders", "pg_stat_replication"),
    ):
        used = _number(connection, f"SELECT count(*) FROM {view}")  # noqa: S608 - one of two words of ours
        limit = int(_setting(connection, setting))
        report.add(
            setting, side, f"{used} of {limit} in use" + ("" if used < limit else ": raise it"), _unless(used < limit)
        )
    allowed = connection.execute(
        "SELECT r.rolreplication OR r.rolsuper OR EXISTS (SELECT FROM pg_roles g WHERE g.rolname = 'rds_replication' "
        "AND pg_has_role(current_user, g.oid, 'MEMBER')) FROM pg_roles r WHERE r.rolname = current_user"
    ).fetchone()
    grant = {
        "rds": f"GRANT rds_replication TO {endpoint.user}",
        "cloudsql": f"ALTER ROLE {endpoint.user} REPLICATION, as a cloudsqlsuperuser",
        "": f"ALTER ROLE {endpoint.user} REPLICATION",
    }[managed]
    if allowed and allowed[0]:
        _checked(report, "replication", side, lambda: Line(endpoint, "preflight").close())
    else:
        report.add("replication", side, f"{endpoint.user} may not replicate: {grant}", "blocks")
    kept = _setting(connection, "max_slot_wal_keep_size")
    if kept not in ("-1", "-1MB"):
        report.add(
            "max_slot_wal_keep_size", side, f"{kept}: a mover that falls further behind than that starts anew",
            "warns",
        )  # fmt: skip
    timeout = _setting(connection, "wal_sender_timeout")
    report.add("wal_sender_timeout", side, timeout)


def _schemas(report: Report, source: Connection, owner: Connection, ours: str | None) -> None:
    revisions: list[str] = []
    for connection in (source, owner):
        try:
            row = connection.execute("SELECT version_num FROM public.alembic_version").fetchone()
            revisions.append(row[0] if row else "none")
        except psycopg.Error:
            revisions.append("none")
    here, there = revisions
    same = here == there and here != "none"
    report.add(
        "schema", "both", f"revision {here}" if same else f"source {here}, target {there}: migrate the older",
        _unless(same),
    )  # fmt: skip
    if same and schema.standing(owner) is None and ours is None:
        wrong = schema.differences(schema.describe(source), schema.describe(owner))
        wrong = [line for line in wrong if not line.startswith("partition ") and "usage_events_2" not in line]
        detail = "; ".join(wrong[:5]) + (f"; and {len(wrong) - 5} more" if len(wrong) > 5 else "")
        report.add("definitions", "both", detail or "policies, grants, triggers, indexes, functions are equal",
                   _unless(not wrong))  # fmt: skip


def _fences(report: Report, source: Connection, target: Connection, ours: str | None) -> None:
    for side, connection in (("source", source), ("target", target)):
        try:
            found = fence.standing(connection)
        except fence.FenceError as error:
            report.add("fence", side, str(error), "blocks")
            continue
        fine = found.is_open if side == "source" else found.state in ("open", "standby") or ours is not None
        report.add("fence", side, f"{found.state} ({found.reason})", _unless(fine))
    for side, connection in (("source", source), ("target", target)):
        row = connection.execute("SELECT id::text, phase FROM moves WHERE ended_at IS NULL AND id::text <> %s LIMIT 1",
                                 [ours or ""]).fetchone()  # fmt: skip
        if row:
            report.add("other moves", side, f"the move {row[0]} ({row[1]}) is under way: abort or finish it", "blocks")


def _owner(report: Report, owner: Connection, ends: Ends) -> None:
    foreign = _number(
        owner,
        "SELECT count(*) FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') "
        "AND NOT pg_has_role(current_user, c.relowner, 'USAGE')",
    )
    hint = f"{ends.target_owner.user} does not own {foreign} tables: give the address of the role that migrated them"
    report.add(
        "owner", "target", hint if foreign else f"{ends.target_owner.user} owns all tables", _unless(not foreign)
    )
    row = owner.execute("SELECT has_database_privilege(current_database(), 'CREATE')").fetchone()
    may = bool(row and row[0])
    report.add("create", "target", "may create schemas" if may else "GRANT CREATE ON DATABASE … to the owner",
               _unless(may))  # fmt: skip
    row = owner.execute("SELECT extversion FROM pg_extension WHERE extname NOT IN ('plpgsql')").fetchall()
    report.add("extensions", "target", f"{len(row)} beside plpgsql; none is needed")


def _emptiness(report: Report, owner: Connection, ours: str | None) -> None:
    if (standing := schema.standing(owner)) is not None:
        mine = standing.source == ours
        detail = "half filled by this move" if mine else f"half filled from {standing.source}: put it back first"
        report.add("empty", "target", detail, _unless(mine))
        return
    if ours is not None:
        return
    found: list[str] = []
    for table in report.tables:
        if table.name in IDLE:
            continue
        condition = f"WHERE {table.tenant_column} <> '{NOBODY}'" if table.tenant_column else ""
        count = _number(owner, f'SELECT count(*) FROM (SELECT FROM public."{table.name}" {condition} LIMIT 1) one')  # noqa: S608 - the catalog's own names
        if count:
            found.append(table.name)
    report.add(
        "empty", "target",
        f"rows in {', '.join(found[:5])}: give a database that was only migrated" if found else "nothing but its seed",
        _unless(not found),
    )  # fmt: skip


def _room(report: Report, source: Connection, owner: Connection) -> None:
    # A server does not say how much room its disk has: what it holds already, and what comes, is what can be told.
    there = _number(owner, "SELECT pg_database_size(current_database())")
    report.add(
        "room", "target",
        f"{report.source_bytes / 1e6:.0f} MB come to {there / 1e6:.0f} MB; keep "
        f"{report.source_bytes * 1.3 / 1e6:.0f} MB free (a server does not tell; a cloud's disk may grow)",
    )  # fmt: skip
    row = source.execute(
        "SELECT count(*), coalesce(extract(epoch FROM max(clock_timestamp() - xact_start)), 0) FROM pg_stat_activity "
        "WHERE datname = current_database() AND xact_start < clock_timestamp() - interval '5 minutes'"
    ).fetchone()
    if row and row[0]:
        minutes = float(row[1]) / 60
        report.add(
            "long transactions",
            "source",
            f"one is open for {minutes:.0f} minutes: the snapshot may wait for it",
            "warns",
        )


def _surroundings(report: Report, source: Connection, target: Connection) -> None:
    apart = clocks_apart(source, target)
    report.add("clocks", "both", apart or "agree", "blocks" if apart else "ok")
    query = "SELECT datcollate || '/' || datctype FROM pg_database WHERE datname = current_database()"
    here, there = (connection.execute(query).fetchone() for connection in (source, target))
    assert here
    assert there
    report.add("collation", "both", here[0] if here == there else
               f"source {here[0]}, target {there[0]}: lists by name sort otherwise; nothing is lost",
               "ok" if here == there else "warns")  # fmt: skip


def _managed(connection: Connection) -> str:
    row = connection.execute(
        "SELECT CASE WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = 'rds_superuser') THEN 'rds' "
        "WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = 'cloudsqlsuperuser') THEN 'cloudsql' ELSE '' END"
    ).fetchone()
    return row[0] if row else ""


def _same_database(source: Connection, target: Connection) -> bool:
    query = (
        "SELECT pg_postmaster_start_time()::text, (SELECT oid FROM pg_database WHERE datname = current_database()), "
        "current_database(), inet_server_port()"
    )
    return source.execute(query).fetchone() == target.execute(query).fetchone()


def _setting(connection: Connection, name: str) -> str:
    row = connection.execute("SELECT current_setting(%s)", [name]).fetchone()
    return str(row[0]) if row else ""


def _number(connection: Connection, query: str) -> int:
    text: LiteralString = query  # pyright: ignore[reportAssignmentType]  # made of our own words and the catalog's names
    row = connection.execute(text).fetchone()
    return int(row[0]) if row else 0


def _unless(fine: bool) -> str:
    return "ok" if fine else "blocks"
