"""The parser of the replication stream, on bytes that PostgreSQL 15 and 18 sent."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.operations.transfer.moving.changes import Assembler, Shape, Transaction
from core.operations.transfer.moving.errors import SchemaChanged, StreamBroken
from core.operations.transfer.moving.pgoutput import (
    UNCHANGED,
    Begin,
    Commit,
    Delete,
    Insert,
    LogicalMessage,
    Origin,
    Relation,
    Truncate,
    Type,
    Update,
    parse,
)
from core.operations.transfer.moving.writing import exactly, joined

STREAMS = Path(__file__).parent / "streams"
THINGS = Shape(
    name="things", types={"id": "bigint", "note": "text", "big": "text", "mood": "mood"}, key=("id",), order=0
)


def messages(version: str) -> list[bytes]:
    return [bytes.fromhex(line) for line in (STREAMS / f"postgresql-{version}.hex").read_text().split()]


def transactions(version: str) -> list[Transaction]:
    assembler = Assembler({"things": THINGS})
    return [done for data in messages(version) if (done := assembler.take(data))]


@pytest.mark.parametrize("version", ["15", "18"])
def test_every_message_of_the_server_is_read(version: str) -> None:
    read = [parse(data) for data in messages(version)]
    kinds = [type(message) for message in read]
    assert kinds == [
        *(Begin, Type, Relation, Insert, Insert, Commit),
        *(Begin, Update, Commit),
        *(Begin, Update, Commit),
        *(Begin, Delete, Commit),
        *(Begin, Type, Relation, Truncate, Commit),
        *(Begin, LogicalMessage, Commit),
        *(Begin, Origin, Type, Relation, Insert, Commit),
    ]
    described, first, second, stored_apart = read[2], read[3], read[4], read[7]
    assert isinstance(described, Relation)
    assert (described.schema, described.table, described.identity) == ("public", "things", "d")
    assert [(column.name, column.is_key) for column in described.columns] == [
        ("id", True),
        ("note", False),
        ("big", False),
        ("mood", False),
    ]
    assert isinstance(first, Insert)
    assert first.new == ("1", "grüße", "x" * 5000, "glad")
    assert isinstance(second, Insert)
    assert second.new == ("2", None, None, None)
    assert isinstance(stored_apart, Update)
    assert stored_apart.new == ("1", "changed", UNCHANGED, "glad")
    key_moved = read[10]
    assert isinstance(key_moved, Update)
    assert key_moved.old == ("2", None, None, None)
    assert key_moved.new == ("3", None, None, None)
    assert [message for message in read if isinstance(message, Origin)] == [Origin(lsn=0x1234, name="elsewhere")]


@pytest.mark.parametrize("version", ["15", "18"])
def test_messages_make_whole_transactions_in_order(version: str) -> None:
    found = transactions(version)
    assert [[change.kind for change in one.changes] for one in found] == [
        ["insert", "insert"],
        ["update"],
        ["update"],
        ["delete"],
        ["truncate"],
        [],
        ["insert"],
    ]
    assert [one.end_lsn for one in found] == sorted(one.end_lsn for one in found)
    assert found[5].marks == ["here"]
    assert [one.is_simple for one in found] == [True, True, False, False, False, True, True]
    assert found[2].changes[0].key == ("2",)
    assert found[2].changes[0].moves_key


def test_joined_changes_write_each_row_once_with_its_last_values() -> None:
    first, second = transactions("18")[:2]
    statements = joined([first, second])
    assert [(one.kind, one.rows) for one in statements] == [("insert", 2), ("update", 1)]
    # What was stored apart and left alone is not among the columns that are written.
    assert statements[1].parameters == [["1"], ["changed"], ["glad"]]
    assert statements[1].query.as_string() == (
        'UPDATE "public"."things" AS t SET "note" = x."note"::text, "mood" = x."mood"::mood '
        'FROM unnest(%s::text[], %s::text[], %s::text[]) AS x ("key 0", "note", "mood") '
        'WHERE t."id" = x."key 0"::bigint'
    )


def test_a_moved_key_and_a_removal_are_written_as_they_happened() -> None:
    moved, removed = transactions("15")[2:4]
    assert [(one.kind, one.rows, one.first_key) for one in exactly([*moved.changes, *removed.changes])] == [
        ("update", 1, ("2",)),
        ("delete", 1, ("3",)),
    ]


def test_a_column_that_is_new_is_named() -> None:
    older = Shape(name="things", types={"id": "bigint", "note": "text", "big": "text"}, key=("id",), order=0)
    assembler = Assembler({"things": older})
    begin, kind, described = messages("18")[:3]
    assembler.take(begin)
    assembler.take(kind)
    with pytest.raises(SchemaChanged, match="things was altered on the source during the move \\(mood was added\\)"):
        assembler.take(described)


@pytest.mark.parametrize("at", [1, 5, 20, 40])
def test_a_cut_message_is_refused_by_name(at: int) -> None:
    for data in messages("15"):
        if at < len(data):
            with pytest.raises(StreamBroken, match="damaged"):
                parse(data[:at])


@given(st.binary(max_size=80))
def test_no_bytes_break_the_parser(data: bytes) -> None:
    with suppress(StreamBroken):
        parse(data)
