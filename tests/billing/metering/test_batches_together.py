"""Batches that wait at the same time are stored together and answered apart, each as if it had come alone."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.billing.metering.events import desk, service
from core.billing.metering.events.reading import Event, Refusal, read_batch
from tests.billing.metering.conftest import Metering, event
from tests.billing.metering.test_ingestion import codes

INGEST = service.ingest


def watched(monkeypatch: pytest.MonkeyPatch, refusing: str = "poison", seconds: float = 0.05) -> list[int]:
    """How many events each transaction was given, in order; one with the key `refusing` fails."""
    seen: list[int] = []

    async def ingest(session: Any, entries: Sequence[Event | Refusal], **options: Any) -> Any:
        seen.append(len(entries))
        await asyncio.sleep(seconds)  # the others come in meanwhile
        if any(one.key == refusing for one in entries):
            await INGEST(session, entries, **{**options, "commits": False})
            raise ArithmeticError("a batch that nobody can store")
        return await INGEST(session, entries, **options)

    monkeypatch.setattr(desk.service, "ingest", ingest)
    return seen


async def test_what_waits_is_one_transaction_and_each_has_its_own_answer(
    metering: Metering, monkeypatch: pytest.MonkeyPatch
) -> None:
    await metering.meter("calls")
    await metering.meter("sum", "sum", property="n")
    seen = watched(monkeypatch)
    batches = [
        [event(idempotencyKey="first", n=1), event(idempotencyKey="first", n=1)],
        [event(idempotencyKey="second", n=2)],
        [event(idempotencyKey="a", n=4), event(idempotencyKey="bad", n=-1), event(idempotencyKey="b", n=8)],
        [event(idempotencyKey="a", n=4), event(idempotencyKey="b", n=9), event(idempotencyKey="c", n=16)],
        [event(idempotencyKey="", n=1), event(idempotencyKey="c", n=16), event(idempotencyKey="bad", n=32)],
    ]
    answers = await asyncio.gather(*[metering.send(*batch) for batch in batches])
    assert sum(seen) == 12
    assert len(seen) < len(batches)
    assert [[line["index"] for line in one["data"]] for one in answers] == [
        [0, 1],
        [0],
        [0, 1, 2],
        [0, 1, 2],
        [0, 1, 2],
    ]
    keys = [[line["idempotencyKey"] for line in one["data"]] for one in answers]
    assert keys == [[one["idempotencyKey"] or None for one in batch] for batch in batches]
    assert codes(answers[0]) == ["accepted", "duplicate"]
    assert codes(answers[1]) == ["accepted"]
    # Whichever of those that share a key came first: it counts once.
    flat = sorted(
        (line["idempotencyKey"] or "", line.get("code", line["status"])) for a in answers[2:] for line in a["data"]
    )
    assert [code for key, code in flat if key == "a"] == ["accepted", "duplicate"]
    assert [code for key, code in flat if key == "b"] == ["accepted", "idempotency_key_reused"]
    assert [code for key, code in flat if key == "c"] == ["accepted", "duplicate"]
    assert await metering.quantity("calls") == "6"
    assert sum(one["accepted"] for one in answers) == 6


async def test_a_batch_that_fails_takes_no_other_with_it(metering: Metering, monkeypatch: pytest.MonkeyPatch) -> None:
    await metering.meter("calls")
    seen = watched(monkeypatch)
    batches = [[event(), event()], [event()], [event(), event(idempotencyKey="poison")], [event()], [event(), event()]]
    answers = await asyncio.gather(
        *[metering.caller.post("/billing/usage/events", {"events": batch}) for batch in batches]
    )
    assert [one.status_code for one in answers] == [200, 200, 500, 200, 200]
    assert max(seen) > 2, "it was tried with others first"
    assert await metering.quantity("calls") == "6"
    monkeypatch.undo()
    assert (await metering.send(*batches[2]))["accepted"] == 2


async def test_a_batch_that_waited_too_long_was_not_begun(metering: Metering, monkeypatch: pytest.MonkeyPatch) -> None:
    await metering.meter("calls")
    seen = watched(monkeypatch, seconds=1)
    monkeypatch.setattr(desk, "PATIENCE_SECONDS", 0.01)
    begun: list[asyncio.Task[Any]] = []
    for lane in range(1, desk.LANES + 1):
        begun.append(asyncio.create_task(metering.send(event())))
        while len(seen) < lane:
            await asyncio.sleep(0.001)
    refused = await metering.caller.post("/billing/usage/events", {"events": [event()]})
    assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
    assert [(await one)["accepted"] for one in begun] == [1] * desk.LANES
    assert await metering.quantity("calls") == str(desk.LANES)


SPELT = st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(2998, 1, 1))  # noqa: DTZ001 - texts follow
OFFSETS = st.sampled_from(["Z", "z", "+00:00", "-00:00", "+05:30", "-08:00", "+0000"])
FORMS = st.sampled_from(
    ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%dt%H:%M:%S.%f", "%G-W%V-%uT%H:%M:%S", "%Y-%m-%dT%H%M%S.%f"]
)


@given(at=SPELT, whole=st.booleans(), form=FORMS, offset=OFFSETS, cut=st.integers(0, 3))
def test_however_an_instant_is_spelt_it_is_the_same_input(
    at: datetime, whole: bool, form: str, offset: str, cut: int
) -> None:
    spelt = at.replace(microsecond=0 if whole else at.microsecond).strftime(form)
    spelt = (spelt[:-cut] if cut and "." in spelt else spelt) + offset
    body = {"idempotencyKey": "k", "eventName": "n", "externalId": "e", "occurredAt": spelt, "properties": {}}
    (usual,) = read_batch(b"", [body])
    (other,) = read_batch(b"", [{**body, "quantity": None}])
    if isinstance(usual, Refusal) or isinstance(other, Refusal):
        assert isinstance(usual, Refusal) is isinstance(other, Refusal)
        return
    assert usual.at == str(usual.occurred_at) == other.at
    assert usual.input_hash == other.input_hash


NAMES = st.one_of(st.text(max_size=4), st.sampled_from(["n" * 100, "n" * 101, "ö" * 100, "a\0"]))
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.integers(), st.text(max_size=5),
    st.sampled_from(["x" * 1000, "x" * 1001, "ö" * 999, "\0", "\\u0000"]),
)  # fmt: skip


@given(properties=st.one_of(st.dictionaries(NAMES, VALUES, max_size=60), st.none(), st.just([])))
def test_the_short_way_through_properties_leads_where_the_long_one_does(properties: Any) -> None:
    body = {"idempotencyKey": "k", "eventName": "n", "occurredAt": "2027-03-10T12:00:00Z", "properties": properties}
    (usual,) = read_batch(b"", [{**body, "externalId": "e"}])
    (other,) = read_batch(b"", [{**body, "externalId": "e", "quantity": None}])
    assert type(usual) is type(other)
    if isinstance(usual, Event) and isinstance(other, Event):
        assert (usual.properties_json, usual.input_hash) == (other.properties_json, other.input_hash)
    elif isinstance(usual, Refusal) and isinstance(other, Refusal):
        assert usual.message == other.message


def test_a_customer_by_id_is_read_the_long_way() -> None:
    (one,) = read_batch(b"", [{"idempotencyKey": "k", "eventName": "n", "customerId": str(UUID(int=7))}])
    assert isinstance(one, Event)
    assert (one.customer, one.at) == (UUID(int=7), "")
