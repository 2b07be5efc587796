"""A schema in words that are the same on every server that has it, whoever owns it there and whichever version runs."""

from typing import LiteralString

from core.operations.transfer.tables import Connection

Description = dict[str, str]
"""What a part is, by what it is called: `policy holds.mover_moves` is `ALL to cloudbill_mover using true …`."""


def describe(connection: Connection) -> Description:
    """Columns, partitions, constraints, indexes, policies, row security, triggers, functions, grants, revision.

    The owner is called OWNER, and its own rights, which it has anyway, are left out.
    """
    found: Description = {}
    for kind, query in _QUERIES:
        for name, definition in connection.execute(query).fetchall():
            found[f"{kind} {name}"] = definition
    return found


def differences(here: Description, there: Description) -> list[str]:
    """One line a part that is not the same on both sides."""
    lines: list[str] = []
    for name in sorted(here.keys() | there.keys()):
        if name not in there:
            lines.append(f"{name} is missing in the target: {here[name]}")
        elif name not in here:
            lines.append(f"{name} is only in the target: {there[name]}")
        elif here[name] != there[name]:
            lines.append(f"{name} is {there[name]} in the target, and {here[name]} in the source")
    return lines


_QUERIES: tuple[tuple[str, LiteralString], ...] = (
    ("revision", "SELECT 'schema', version_num FROM public.alembic_version"),
    (
        "column",
        """
SELECT c.relname || '.' || a.attname,
       format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attnotnull THEN ' not null' ELSE '' END
       || CASE WHEN a.attgenerated <> '' THEN ' generated' WHEN a.attidentity <> '' THEN ' identity' ELSE '' END
       || coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '')
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND a.attnum > 0 AND NOT a.attisdropped
""",
    ),
    (
        "partition",
        """
SELECT c.relname, 'of ' || p.relname || ' ' || pg_get_expr(c.relpartbound, c.oid)
FROM pg_class c JOIN pg_inherits i ON i.inhrelid = c.oid JOIN pg_class p ON p.oid = i.inhparent
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND c.relispartition
""",
    ),
    (
        "constraint",
        """
SELECT c.relname || '.' || k.conname, pg_get_constraintdef(k.oid)
       || CASE WHEN k.convalidated THEN '' ELSE ' not valid' END
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
WHERE c.relnamespace = 'public'::regnamespace AND NOT c.relispartition AND k.contype IN ('p', 'u', 'x', 'f', 'c')
""",
    ),
    (
        "index",
        """
SELECT i.relname, pg_get_indexdef(i.oid) || CASE WHEN x.indisvalid THEN '' ELSE ' invalid' END
FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class c ON c.oid = x.indrelid
WHERE i.relnamespace = 'public'::regnamespace AND NOT i.relispartition AND NOT c.relispartition
""",
    ),
    (
        "row security",
        """
SELECT c.relname, CASE WHEN c.relrowsecurity THEN 'on' ELSE 'off' END
       || CASE WHEN c.relforcerowsecurity THEN ', forced' ELSE '' END
FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
""",
    ),
    (
        "policy",
        """
SELECT c.relname || '.' || p.polname,
       CASE p.polcmd WHEN '*' THEN 'ALL' WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE'
            ELSE 'DELETE' END
       || CASE WHEN p.polpermissive THEN '' ELSE ' restrictive' END || ' to '
       || (SELECT string_agg(named.role, ', ' ORDER BY named.role COLLATE "C")
           FROM (SELECT CASE WHEN r = 0 THEN 'public' WHEN r = c.relowner THEN 'OWNER'
                             ELSE pg_get_userbyid(r) END AS role
                 FROM unnest(p.polroles) r) named)
       || coalesce(' using ' || pg_get_expr(p.polqual, p.polrelid), '')
       || coalesce(' with check ' || pg_get_expr(p.polwithcheck, p.polrelid), '')
FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid WHERE c.relnamespace = 'public'::regnamespace
""",
    ),
    (
        "trigger",
        """
SELECT c.relname || '.' || t.tgname, pg_get_triggerdef(t.oid)
       || CASE t.tgenabled WHEN 'O' THEN '' ELSE ' ' || t.tgenabled::text END
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
WHERE c.relnamespace = 'public'::regnamespace AND NOT c.relispartition AND NOT t.tgisinternal
""",
    ),
    (
        "function",
        """
SELECT p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')',
       coalesce('returns ' || pg_get_function_result(p.oid), 'procedure')
       || CASE WHEN p.prosecdef THEN ' definer' ELSE '' END
       || ' ' || p.provolatile::text || p.proparallel::text || ' ' || coalesce(array_to_string(p.proconfig, ','), '')
       || ' ' || md5(coalesce(pg_get_function_sqlbody(p.oid), p.prosrc))
FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace
""",
    ),
    (
        "sequence",
        """
SELECT s.sequencename, s.data_type::text || ' by ' || s.increment_by || ' from ' || s.min_value || ' to ' || s.max_value
FROM pg_sequences s WHERE s.schemaname = 'public'
""",
    ),
    (
        "grant",
        """
SELECT o.name || ' to ' || CASE WHEN a.grantee = 0 THEN 'public' ELSE pg_get_userbyid(a.grantee) END,
       string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type)
FROM (SELECT c.relname AS name, c.relowner AS owner, c.relacl AS acl FROM pg_class c
      WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'S', 'v')
      UNION ALL
      SELECT c.relname || '.' || a.attname, c.relowner, a.attacl
      FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
      WHERE c.relnamespace = 'public'::regnamespace
      UNION ALL
      SELECT p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')', p.proowner,
             coalesce(p.proacl, acldefault('f', p.proowner))
      FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace
      UNION ALL
      SELECT 'schema public', n.nspowner, n.nspacl FROM pg_namespace n WHERE n.nspname = 'public') o,
     aclexplode(o.acl) a
WHERE a.grantee <> o.owner AND (a.grantee = 0 OR pg_get_userbyid(a.grantee) IN
      ('cloudbill_app', 'cloudbill_operator', 'cloudbill_mover'))
GROUP BY o.name, a.grantee
""",
    ),
)
