"""A database with rows of every table for several tenants, and one table more whose columns are of every type."""

import asyncio
from contextlib import suppress
from typing import Any
from uuid import UUID

import psycopg

from tests.support.rows import fill, fresh_key, insert, read_shapes

EXOTIC = """
CREATE TABLE exotic (
    tenant_id uuid NOT NULL, id bigint NOT NULL, moment timestamptz, local timestamp, day date, clock time,
    span interval, exact numeric, rounded numeric(20, 6), real4 real, real8 double precision, words text,
    padded char(8), limited varchar(20), raw bytea, document jsonb, plain json, flags bit(5), numbers bigint[],
    names text[], grid integer[][], small smallint, truth boolean, address inet, span_of tstzrange,
    PRIMARY KEY (tenant_id, id));
ALTER TABLE exotic ENABLE ROW LEVEL SECURITY;
ALTER TABLE exotic FORCE ROW LEVEL SECURITY;
CREATE POLICY mover_moves ON exotic FOR ALL TO cloudbill_mover USING (true) WITH CHECK (true);
CREATE POLICY owner_reads ON exotic FOR SELECT TO CURRENT_USER USING (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON exotic TO cloudbill_mover;
"""
_EXOTIC_ROWS = r"""
INSERT INTO exotic VALUES
    (%(tenant)s, 1, 'infinity', '-infinity', '0044-03-15 BC', '23:59:59.999999', '1 year -2 days 03:04:05.000001',
     1.10, -0.000001, 'NaN', 0.1::float8 + 0.2::float8, E'tab\t line\n quote'' back\\slash \\N', 'pad', 'ümläut',
     '\x00ff5c', '{"b": 1.50, "a": [null, "x", {"deep": "\u00e9"}]}', '{"b":1,  "a":2}', B'10101', '{1,NULL,-9}',
     '{"","NULL",NULL,"a,b","{x}"}', '{{1,2},{3,4}}', -32768, true, '10.0.0.0/8', '[2026-01-01,infinity)'),
    (%(tenant)s, 2, '4713-01-01 00:00:00+00 BC', '2026-06-01 12:00', '5874897-12-31', '00:00', '0', 'NaN', 0,
     '-Infinity', '-0', '', '', '', '', '{}', 'null', B'00000', '{}', '[0:1]={p,q}', '{}', 0, false, '::1', 'empty'),
    (%(tenant)s, 4, '1999-12-31 23:59:59.999999+14', '294276-12-31 23:59:59.999999', 'infinity', '12:00:00', '-1 mon',
     1e-30, 99999999999999.999999, 3.4028235e38, 2.2250738585072014e-308, repeat('x', 5000), 'x', 'y',
     decode(repeat('00ff', 4000), 'hex'), '[1e400, 0.10, 0.1]', '[1,1.0]', B'11111', '{9223372036854775807}',
     '{é,ß,İ}', '{{-2147483648}}', 32767, NULL, '192.168.1.1', '(,)')
"""


def add_exotic(owner_url: str) -> None:
    """The table of every type, in a database that has not got it."""
    with psycopg.connect(owner_url) as connection:
        connection.execute(EXOTIC)


def fill_everything(admin_url: str, *, tenants: int = 3, rows: int = 3) -> list[UUID]:
    """Rows of every table (`exotic` too, where it is), past triggers and deferred checks."""
    made = [UUID(int=(0x018F << 112) | (7 << 76) | (2 << 62) | number) for number in range(1, tenants + 1)]
    asyncio.run(_fill(admin_url, made, rows))
    return made


# A deferred unique key is not looked at where triggers are off.
_DEFERRED_KEYS = """
SELECT c.conrelid::regclass::text, array_agg(a.attname::text)
FROM pg_constraint c JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey)
WHERE c.contype = 'u' AND c.condeferrable AND c.connamespace = 'public'::regnamespace
GROUP BY c.oid
"""


async def _fill(admin_url: str, tenants: list[UUID], rows: int) -> None:
    async with await psycopg.AsyncConnection.connect(admin_url) as admin:
        shapes = await read_shapes(admin)
        exotic = shapes.pop("exotic", None)
        keys = await (await admin.execute(_DEFERRED_KEYS)).fetchall()
        await admin.execute("SET session_replication_role = replica")
        for tenant in tenants:
            world: dict[str, dict[str, Any]] = {}
            without: set[str] = set()
            for name, shape in shapes.items():
                own = {column for reference in shape.references for column in reference.columns}
                alike = own | {"currency", shape.tenant_column}  # in all rows of a tenant
                once = name == "tenants" or set(shape.key) <= alike
                once |= any(set(columns) <= alike for table, columns in keys if table == name)
                world[name] = fill(shape, tenant, world)
                if {reference.parent for reference in shape.references} & without:
                    without.add(name)
                    continue
                for number in range(1 if once else rows):
                    row = world[name] if number == 0 else fresh_key(shape, fill(shape, tenant, world))
                    # What a check or a unique index wants beyond what the catalog tells: no such row then.
                    with suppress(psycopg.errors.CheckViolation, psycopg.errors.UniqueViolation):
                        async with admin.transaction():
                            made = await insert(admin, name, row)
                        world[name] = made if number == 0 else world[name]
                        continue
                    without |= {name} if number == 0 else set()
            if exotic:
                await admin.execute(_EXOTIC_ROWS, {"tenant": tenant})
                await admin.execute("INSERT INTO exotic (tenant_id, id) VALUES (%s, 3)", [tenant])
        for number in range(1, 6):
            await admin.execute(
                "INSERT INTO procrastinate_jobs (task_name, queue_name, args) VALUES (%s, 'default', '{}')",
                [f"task-{number}"],
            )
        await admin.execute(
            "INSERT INTO procrastinate_events (job_id, type) SELECT id, 'deferred' FROM procrastinate_jobs"
        )
        await admin.commit()
