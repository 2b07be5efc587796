"""PostgreSQL's logical replication messages, protocol version 1, as `pgoutput` writes them: bytes in, values out.

Pure: it reads no socket and knows no table. Column values are the server's text; None is NULL; UNCHANGED stands for a
stored-apart (TOAST) value that an update left as it was.
"""

import struct
from dataclasses import dataclass
from typing import Final

from core.operations.transfer.moving.errors import StreamBroken


class _Unchanged:
    """The type of UNCHANGED."""

    def __repr__(self) -> str:
        return "UNCHANGED"


UNCHANGED: Final = _Unchanged()
Value = str | None | _Unchanged
Row = tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """A column as the source has it; `is_key` when it belongs to the replica identity."""

    name: str
    is_key: bool
    type_oid: int
    type_modifier: int


@dataclass(frozen=True, slots=True)
class Begin:
    """A transaction of the source begins; positions are log sequence numbers."""

    final_lsn: int
    committed_at_micro: int
    """Microseconds since 2000-01-01."""
    xid: int


@dataclass(frozen=True, slots=True)
class Commit:
    """It ends. `end_lsn` is where the next one may begin: what is fed back and kept."""

    commit_lsn: int
    end_lsn: int
    committed_at_micro: int


@dataclass(frozen=True, slots=True)
class Relation:
    """What a table looks like from here on; sent before its first change, and again after DDL."""

    oid: int
    schema: str
    table: str
    identity: str
    """d: primary key, n: nothing, f: the whole row, i: an index."""
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class Insert:
    """A new row."""

    relation_oid: int
    new: Row


@dataclass(frozen=True, slots=True)
class Update:
    """A changed row; `old` is given when its key changed."""

    relation_oid: int
    old: Row | None
    new: Row


@dataclass(frozen=True, slots=True)
class Delete:
    """A row that is gone, with at least its key."""

    relation_oid: int
    old: Row


@dataclass(frozen=True, slots=True)
class Truncate:
    """Tables that were emptied."""

    relation_oids: tuple[int, ...]
    cascade: bool
    restart_identity: bool


@dataclass(frozen=True, slots=True)
class Type:
    """A type that is not built in."""

    oid: int
    schema: str
    name: str


@dataclass(frozen=True, slots=True)
class Origin:
    """The transaction came from elsewhere."""

    lsn: int
    name: str


@dataclass(frozen=True, slots=True)
class LogicalMessage:
    """Written by pg_logical_emit_message."""

    transactional: bool
    lsn: int
    prefix: str
    content: bytes


Message = Begin | Commit | Relation | Insert | Update | Delete | Truncate | Type | Origin | LogicalMessage


def parse(data: bytes) -> Message:
    """One message. Raises StreamBroken when it is cut off, too long, or of no kind that version 1 knows."""
    try:
        message, end = _parse(data)
    except (struct.error, IndexError, UnicodeDecodeError, ValueError) as error:
        raise StreamBroken(f"a message of the stream is damaged ({data[:1]!r}, {len(data)} bytes: {error})") from None
    if end != len(data):
        raise StreamBroken(f"a message of the stream is damaged ({data[:1]!r}: {len(data) - end} bytes too many)")
    return message


_begin = struct.Struct("!qqi").unpack_from
_commit = struct.Struct("!bqqq").unpack_from
_u32 = struct.Struct("!I").unpack_from
_i32 = struct.Struct("!i").unpack_from
_i16 = struct.Struct("!h").unpack_from
_i64 = struct.Struct("!q").unpack_from


def _parse(data: bytes) -> tuple[Message, int]:
    match data[:1]:
        case b"I":
            _expect(data, 5, b"N")
            new, at = _row(data, 6)
            return Insert(_u32(data, 1)[0], new), at
        case b"U":
            return _update(data)
        case b"D":
            if data[5:6] not in (b"K", b"O"):
                raise ValueError(f"no old row but {data[5:6]!r}")
            old, at = _row(data, 6)
            return Delete(_u32(data, 1)[0], old), at
        case b"B":
            lsn, at_micro, xid = _begin(data, 1)
            return Begin(lsn, at_micro, xid & 0xFFFFFFFF), 21
        case b"C":
            _flags, commit_lsn, end_lsn, at_micro = _commit(data, 1)
            return Commit(commit_lsn, end_lsn, at_micro), 26
        case b"R":
            return _relation(data)
        case b"T":
            count, options = struct.unpack_from("!iB", data, 1)
            oids = struct.unpack_from(f"!{count}I", data, 6)
            return Truncate(oids, bool(options & 1), bool(options & 2)), 6 + 4 * count
        case b"Y":
            schema, at = _word(data, 5)
            name, at = _word(data, at)
            return Type(_u32(data, 1)[0], schema or "pg_catalog", name), at
        case b"O":
            name, at = _word(data, 9)
            return Origin(_i64(data, 1)[0], name), at
        case b"M":
            prefix, at = _word(data, 10)
            length = _i32(data, at)[0]
            content = _bytes(data, at + 4, length)
            return LogicalMessage(bool(data[1] & 1), _i64(data, 2)[0], prefix, content), at + 4 + length
        case kind:
            raise ValueError(f"no message of protocol version 1 begins with {kind!r}")


def _update(data: bytes) -> tuple[Update, int]:
    kind, at, old = data[5:6], 6, None
    if kind in (b"K", b"O"):
        old, at = _row(data, 6)
        kind, at = data[at : at + 1], at + 1
    if kind != b"N":
        raise ValueError(f"no new row but {kind!r}")
    new, at = _row(data, at)
    return Update(_u32(data, 1)[0], old, new), at


def _relation(data: bytes) -> tuple[Relation, int]:
    oid = _u32(data, 1)[0]
    schema, at = _word(data, 5)
    table, at = _word(data, at)
    identity, at = chr(data[at]), at + 1
    count, at = _i16(data, at)[0], at + 2
    columns: list[Column] = []
    for _ in range(count):
        flags = data[at]
        name, at = _word(data, at + 1)
        type_oid, modifier = struct.unpack_from("!Ii", data, at)
        at += 8
        columns.append(Column(name, bool(flags & 1), type_oid, modifier))
    return Relation(oid, schema or "pg_catalog", table, identity, tuple(columns)), at


def _row(data: bytes, at: int) -> tuple[Row, int]:
    count = _i16(data, at)[0]
    if count < 0:
        raise ValueError(f"a row of {count} columns")
    at += 2
    values: list[Value] = []
    for _ in range(count):
        kind = data[at]
        if kind == 0x74:  # t: text
            length = _i32(data, at + 1)[0]
            at += 5
            values.append(_bytes(data, at, length).decode())
            at += length
        elif kind == 0x6E:  # n: null
            values.append(None)
            at += 1
        elif kind == 0x75:  # u: unchanged
            values.append(UNCHANGED)
            at += 1
        else:
            raise ValueError(f"a column's value begins with {kind:#x}")
    return tuple(values), at


def _bytes(data: bytes, at: int, length: int) -> bytes:
    if length < 0 or at + length > len(data):
        raise ValueError(f"{length} bytes at {at} of {len(data)}")
    return data[at : at + length]


def _word(data: bytes, at: int) -> tuple[str, int]:
    end = data.index(b"\0", at)
    return data[at:end].decode(), end + 1


def _expect(data: bytes, at: int, kind: bytes) -> None:
    if data[at : at + 1] != kind:
        raise ValueError(f"{data[at : at + 1]!r} where {kind!r} belongs")
