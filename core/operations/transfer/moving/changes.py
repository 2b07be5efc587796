"""The stream as whole transactions of the source, and what DDL during the move looks like in it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from core.operations.transfer.moving import pgoutput
from core.operations.transfer.moving.errors import SchemaChanged, StreamBroken
from core.operations.transfer.moving.pgoutput import UNCHANGED, Row, Value

MARK = "cloudbill-move"
"""The prefix of the messages by which we know that the stream has come to a place."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A table as it was when the move began: the target's types by column, and where it stands among foreign keys."""

    name: str
    types: Mapping[str, str]
    key: tuple[str, ...]
    order: int


@dataclass(frozen=True, slots=True)
class Change:
    """One row that was written, by column name. `key` is the row's key before the change, in the key's order."""

    kind: str
    """insert, update, delete or truncate"""
    shape: Shape
    key: tuple[str, ...]
    values: dict[str, Value]
    moves_key: bool = False


@dataclass(slots=True)
class Transaction:
    """A transaction of the source, whole."""

    xid: int
    end_lsn: int = 0
    committed_at_micro: int = 0
    changes: list[Change] = field(default_factory=list[Change])
    marks: list[str] = field(default_factory=list[str])
    bytes: int = 0

    @property
    def is_simple(self) -> bool:
        """Whether it only adds rows and changes others in place, so that it can be joined with its neighbours."""
        return all(change.kind in ("insert", "update") and not change.moves_key for change in self.changes)


class Assembler:
    """Gathers messages into transactions. Raises SchemaChanged when a table is not what it was."""

    def __init__(self, shapes: Mapping[str, Shape]) -> None:
        self._shapes = shapes
        self._relations: dict[int, tuple[Shape, tuple[str, ...], tuple[int, ...]]] = {}
        self._strangers: dict[int, str] = {}
        self._open: Transaction | None = None

    @property
    def is_between(self) -> bool:
        """Whether no transaction is half read."""
        return self._open is None

    def take(self, data: bytes) -> Transaction | None:
        """The transaction that this message ends, or None."""
        message = pgoutput.parse(data)
        match message:
            case pgoutput.Begin():
                if self._open is not None:
                    raise StreamBroken("a transaction begins within another: the stream is damaged")
                self._open = Transaction(message.xid)
            case pgoutput.Commit():
                done, self._open = self._current(), None
                done.end_lsn, done.committed_at_micro = message.end_lsn, message.committed_at_micro
                return done
            case pgoutput.Relation():
                self._relate(message)
            case pgoutput.Insert():
                self._add(message.relation_oid, "insert", None, message.new, len(data))
            case pgoutput.Update():
                self._add(message.relation_oid, "update", message.old, message.new, len(data))
            case pgoutput.Delete():
                self._add(message.relation_oid, "delete", message.old, (), len(data))
            case pgoutput.Truncate():
                for oid in message.relation_oids:
                    self._current().changes.append(Change("truncate", self._known(oid)[0], (), {}))
            case pgoutput.LogicalMessage():
                # One that is not of a transaction stands for itself and moves nothing.
                if message.prefix == MARK and self._open is not None:
                    self._open.marks.append(message.content.decode())
            case pgoutput.Type() | pgoutput.Origin():
                pass
        return None

    def _current(self) -> Transaction:
        if self._open is None:
            raise StreamBroken("a change outside of any transaction: the stream is damaged")
        return self._open

    def _known(self, oid: int) -> tuple[Shape, tuple[str, ...], tuple[int, ...]]:
        try:
            return self._relations[oid]
        except KeyError:
            if oid in self._strangers:
                raise SchemaChanged(
                    f"the table {self._strangers[oid]} is new in the stream: `cloudbill move abort`, then start anew"
                ) from None
            raise StreamBroken(
                f"a change of a table (oid {oid}) that was not described: the stream is damaged"
            ) from None

    def _relate(self, relation: pgoutput.Relation) -> None:
        shape = self._shapes.get(relation.table) if relation.schema == "public" else None
        if shape is None:
            # A partition is described too, though its rows come as its parent's: only a row of its own is news.
            self._strangers[relation.oid] = f"{relation.schema}.{relation.table}"
            return
        names = tuple(column.name for column in relation.columns)
        added, gone = set(names) - set(shape.types), set(shape.types) - set(names)
        if added or gone:
            what = [f"{name} was added" for name in sorted(added)] + [f"{name} is gone" for name in sorted(gone)]
            raise SchemaChanged(
                f"the table {relation.table} was altered on the source during the move ({', '.join(what)}): "
                "`cloudbill move abort`, migrate both sides, start anew"
            )
        if relation.identity != "f" and {c.name for c in relation.columns if c.is_key} != set(shape.key):
            raise SchemaChanged(
                f"the table {relation.table} was altered on the source during the move (its key is another one): "
                "`cloudbill move abort`, migrate both sides, start anew"
            )
        self._relations[relation.oid] = (shape, names, tuple(names.index(name) for name in shape.key))

    def _add(self, oid: int, kind: str, old: Row | None, new: Row, size: int) -> None:
        shape, names, key_at = self._known(oid)
        row = old if old is not None else new
        if len(row) != len(names) or (new and len(new) != len(names)):
            raise StreamBroken(f"a row of {shape.name} has {len(row)} columns, not {len(names)}: the stream is damaged")
        key = tuple(_text(row[at], shape) for at in key_at)
        moves = bool(old and new) and any(new[at] is not UNCHANGED and new[at] != row[at] for at in key_at)
        current = self._current()
        current.bytes += size
        current.changes.append(Change(kind, shape, key, dict(zip(names, new, strict=False)), moves))


def _text(value: Value, shape: Shape) -> str:
    if not isinstance(value, str):
        raise StreamBroken(f"a change of {shape.name} does not say its key: the stream is damaged")
    return value
