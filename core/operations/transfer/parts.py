"""The parts of a schema that are off while rows pour in: how each is found, taken off and made again."""

from typing import LiteralString

ACCESS = "access"
"""The last phase: from then on the application may come in."""

MEMORY = """
CREATE SCHEMA cloudbill_transfer;
GRANT USAGE ON SCHEMA cloudbill_transfer TO cloudbill_mover;
CREATE TABLE cloudbill_transfer.about (source text NOT NULL, since timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE TABLE cloudbill_transfer.parts (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, phase text NOT NULL, table_name text NOT NULL,
    name text NOT NULL, take text NOT NULL, make text NOT NULL, is_made boolean NOT NULL DEFAULT true);
CREATE TABLE cloudbill_transfer.tables (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, columns text[] NOT NULL);
CREATE TABLE cloudbill_transfer.rows (table_name text NOT NULL, content jsonb NOT NULL);
CREATE TABLE cloudbill_transfer.sequences (
    name text PRIMARY KEY, last_value bigint NOT NULL, is_called boolean NOT NULL);
CREATE TABLE cloudbill_transfer.chunks (
    table_name text, number bigint, mark text NOT NULL, copied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (table_name, number));
CREATE TABLE cloudbill_transfer.notes (key text PRIMARY KEY, value jsonb NOT NULL);
GRANT SELECT ON ALL TABLES IN SCHEMA cloudbill_transfer TO cloudbill_mover;
GRANT INSERT, UPDATE, DELETE ON cloudbill_transfer.chunks, cloudbill_transfer.notes TO cloudbill_mover
"""
SEQUENCES = """
INSERT INTO cloudbill_transfer.sequences
SELECT format('%I.%I', s.schemaname, s.sequencename), coalesce(s.last_value, s.start_value), s.last_value IS NOT NULL
FROM pg_catalog.pg_sequences s WHERE s.schemaname = 'public'
"""

# In the order in which they are put on again: each says how a part is taken off and how it is made.
PARTS: tuple[tuple[str, LiteralString], ...] = (
    (
        "key",
        """
SELECT %(phase)s, c.relname, k.conname, format('ALTER TABLE %%s DROP CONSTRAINT %%I', c.oid::regclass, k.conname),
       format('ALTER TABLE %%s ADD CONSTRAINT %%I %%s', c.oid::regclass, k.conname, pg_get_constraintdef(k.oid))
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY (%(names)s) AND k.contype IN ('p', 'u', 'x')
  AND k.conparentid = 0
ORDER BY c.relname, k.contype, k.conname
""",
    ),
    (
        "index",
        """
SELECT %(phase)s, c.relname, i.relname, format('DROP INDEX %%s', i.oid::regclass),
       -- Of a partitioned table's index it says ON ONLY, which would leave its partitions without.
       CASE i.relkind WHEN 'I' THEN replace(pg_get_indexdef(i.oid), ' ON ONLY ', ' ON ') ELSE pg_get_indexdef(i.oid) END
FROM pg_index x JOIN pg_class c ON c.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid
WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY (%(names)s) AND NOT i.relispartition
  AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.oid AND k.contype IN ('p', 'u', 'x'))
ORDER BY c.relname, i.relname
""",
    ),
    (
        # Not checked yet, which takes no time; a partitioned table's is checked at once where the server is before 18.
        "foreign key",
        """
SELECT %(phase)s, c.relname, k.conname, format('ALTER TABLE %%s DROP CONSTRAINT %%I', c.oid::regclass, k.conname),
       format('ALTER TABLE %%s ADD CONSTRAINT %%I %%s', c.oid::regclass, k.conname, pg_get_constraintdef(k.oid))
       || CASE WHEN k.convalidated AND (c.relkind = 'r' OR current_setting('server_version_num')::int >= 180000)
               THEN ' NOT VALID' ELSE '' END
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY (%(names)s) AND k.contype = 'f' AND k.conparentid = 0
ORDER BY c.relname, k.conname
""",
    ),
    (
        "check of foreign key",
        """
SELECT %(phase)s, c.relname, k.conname, 'SELECT',
       format('ALTER TABLE %%s VALIDATE CONSTRAINT %%I', c.oid::regclass, k.conname)
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY (%(names)s) AND k.contype = 'f' AND k.conparentid = 0
  AND k.convalidated AND (c.relkind = 'r' OR current_setting('server_version_num')::int >= 180000)
ORDER BY c.relname, k.conname
""",
    ),
    (
        "trigger",
        """
SELECT %(phase)s, c.relname, t.tgname, format('DROP TRIGGER %%I ON %%s', t.tgname, c.oid::regclass),
       pg_get_triggerdef(t.oid)
       || CASE t.tgenabled WHEN 'O' THEN ''
              ELSE format('; ALTER TABLE %%s %%s TRIGGER %%I', c.oid::regclass,
                          CASE t.tgenabled WHEN 'D' THEN 'DISABLE' WHEN 'R' THEN 'ENABLE REPLICA'
                               ELSE 'ENABLE ALWAYS' END, t.tgname) END
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY (%(names)s) AND NOT t.tgisinternal
  AND t.tgparentid = 0
ORDER BY c.relname, t.tgname
""",
    ),
    (
        "row security",
        """
SELECT %(phase)s, c.relname, '', format('ALTER TABLE %%s DISABLE ROW LEVEL SECURITY', c.oid::regclass),
       format('ALTER TABLE %%s ENABLE ROW LEVEL SECURITY', c.oid::regclass)
       || CASE WHEN c.relforcerowsecurity
               THEN format('; ALTER TABLE %%s FORCE ROW LEVEL SECURITY', c.oid::regclass) ELSE '' END
FROM pg_class c
WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY (%(names)s) AND c.relrowsecurity
ORDER BY c.relname
""",
    ),
    (
        # While row security is off nobody but owner and mover may come in.
        ACCESS,
        """
SELECT %(phase)s, 'public', coalesce(r.rolname, 'PUBLIC'),
       format('REVOKE USAGE ON SCHEMA public FROM %%s', coalesce(quote_ident(r.rolname), 'PUBLIC')),
       format('GRANT USAGE ON SCHEMA public TO %%s', coalesce(quote_ident(r.rolname), 'PUBLIC'))
FROM pg_namespace n, aclexplode(n.nspacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee
WHERE n.nspname = 'public' AND a.privilege_type = 'USAGE'
  AND (a.grantee = 0 OR r.rolname IN ('cloudbill_app', 'cloudbill_operator'))
  AND cardinality(%(names)s::text[]) > 0
ORDER BY 3
""",
    ),
)

# Foreign keys lock two tables each, in an order of their own: one after the other they cannot deadlock. Their checks
# read, and stand in nobody's way. The rest takes no time.
STAGES: tuple[tuple[bool, tuple[str, ...]], ...] = (
    (True, ("key", "index")),
    (False, ("foreign key",)),
    (True, ("check of foreign key",)),
    *((False, (phase,)) for phase, _ in PARTS[4:]),
)
