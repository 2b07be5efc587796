"""Changes as few statements: rows of a table go to the server as arrays of text, cast there to the column's type.

Transactions that only add and change rows are joined: tables in the order of their foreign keys, within a table first
what is added, then what is changed, each row once with its last values. All others are written change by change.
COPY would be refused under row security.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import LiteralString, cast

from psycopg import sql

from core.operations.transfer.moving.changes import Change, Shape, Transaction
from core.operations.transfer.moving.pgoutput import UNCHANGED, Value


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One statement, and how many rows it must touch (None: any number)."""

    query: sql.Composed
    parameters: Sequence[Sequence[str | None]]
    rows: int | None
    table: str
    kind: str
    first_key: tuple[str, ...] = field(default=())


def joined(transactions: Sequence[Transaction]) -> list[Statement]:
    """Statements that do what the transactions did, in order."""
    statements: list[Statement] = []
    for simple, group in groupby(transactions, key=lambda transaction: transaction.is_simple):
        changes = [change for transaction in group for change in transaction.changes]
        statements += _merged(changes) if simple else exactly(changes)
    return statements


def exactly(changes: Iterable[Change]) -> list[Statement]:
    """The same change by change, neighbours of one kind together as long as no row comes twice."""
    statements: list[Statement] = []
    run: list[Change] = []
    seen: set[tuple[str, ...]] = set()
    for change in changes:
        fits = run and _likeness(change) == _likeness(run[0]) and change.key not in seen and not change.moves_key
        if not fits:
            statements += _written(run)
            run, seen = [], set()
        run.append(change)
        seen.add(change.key)
        if change.moves_key:
            statements += _written(run)
            run, seen = [], set()
    return statements + _written(run)


def _merged(changes: Sequence[Change]) -> list[Statement]:
    inserts: dict[str, list[Change]] = {}
    updates: dict[str, dict[tuple[str, ...], Change]] = {}
    shapes: dict[str, Shape] = {}
    for change in changes:
        name = change.shape.name
        shapes[name] = change.shape
        if change.kind == "insert":
            inserts.setdefault(name, []).append(change)
            continue
        of_table = updates.setdefault(name, {})
        before = of_table.pop(change.key, None)
        if before is not None:  # what this one left unchanged, the one before may have set
            kept = {c: v if v is not UNCHANGED else before.values[c] for c, v in change.values.items()}
            of_table[change.key] = Change("update", change.shape, change.key, kept)
        else:
            of_table[change.key] = change
    statements: list[Statement] = []
    for shape in sorted(shapes.values(), key=lambda shape: shape.order):
        statements += _written(inserts.get(shape.name, []))
    for shape in sorted(shapes.values(), key=lambda shape: shape.order):
        by_columns: dict[object, list[Change]] = {}
        for change in updates.get(shape.name, {}).values():
            by_columns.setdefault(_likeness(change), []).append(change)
        for alike in by_columns.values():
            statements += _written(alike)
    return statements


def _likeness(change: Change) -> tuple[str, str, tuple[str, ...]]:
    """Changes of the same likeness can be one statement."""
    given = tuple(name for name, value in change.values.items() if value is not UNCHANGED)
    return change.shape.name, change.kind, given


def _written(changes: Sequence[Change]) -> list[Statement]:
    if not changes:
        return []
    first = changes[0]
    shape = first.shape
    match first.kind:
        case "insert":
            columns = list(first.values)
            query = sql.SQL("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {}").format(
                _table(shape), _names(columns), _casts(shape, columns), _arrays(columns)
            )
            parameters = [[_value(change.values[name]) for change in changes] for name in columns]
        case "update":
            columns = [name for name, value in first.values.items() if value is not UNCHANGED]
            if not first.moves_key:
                columns = [name for name in columns if name not in shape.key]
            if not columns:
                return []
            keys = [f"key {number}" for number in range(len(shape.key))]
            query = sql.SQL("UPDATE {} AS t SET {} FROM {} WHERE {}").format(
                _table(shape),
                sql.SQL(", ").join(
                    sql.SQL("{} = {}").format(sql.Identifier(name), _cast(shape, name, name)) for name in columns
                ),
                _arrays([*keys, *columns]),
                _matching(shape, keys),
            )
            parameters = [[change.key[at] for change in changes] for at in range(len(keys))]
            parameters += [[_value(change.values[name]) for change in changes] for name in columns]
        case "delete":
            keys = [f"key {number}" for number in range(len(shape.key))]
            query = sql.SQL("DELETE FROM {} AS t USING {} WHERE {}").format(
                _table(shape), _arrays(keys), _matching(shape, keys)
            )
            parameters = [[change.key[at] for change in changes] for at in range(len(keys))]
        case _:
            query, parameters = sql.SQL("DELETE FROM {}").format(_table(shape)), []
    rows = None if first.kind == "truncate" else len(changes)
    return [
        Statement(query=query, parameters=parameters, rows=rows, table=shape.name, kind=first.kind, first_key=first.key)
    ]


def _table(shape: Shape) -> sql.Identifier:
    return sql.Identifier("public", shape.name)


def _names(columns: Iterable[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(name) for name in columns)


def _arrays(columns: Sequence[str]) -> sql.Composed:
    arrays = sql.SQL(", ").join([sql.SQL("%s::text[]")] * len(columns))
    return sql.SQL("unnest({}) AS x ({})").format(arrays, _names(columns))


def _cast(shape: Shape, column: str, name: str) -> sql.Composed:
    # The type's name is the server's own (format_type), with its modifier and quotes.
    return sql.SQL("x.{}::{}").format(sql.Identifier(name), sql.SQL(cast("LiteralString", shape.types[column])))


def _casts(shape: Shape, columns: Iterable[str]) -> sql.Composed:
    return sql.SQL(", ").join(_cast(shape, name, name) for name in columns)


def _matching(shape: Shape, keys: Sequence[str]) -> sql.Composed:
    return sql.SQL(" AND ").join(
        sql.SQL("t.{} = {}").format(sql.Identifier(column), _cast(shape, column, name))
        for column, name in zip(shape.key, keys, strict=True)
    )


def _value(value: Value) -> str | None:
    assert value is None or isinstance(value, str), "an inserted row is whole"
    return value
