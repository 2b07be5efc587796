"""Meters: five ways to count, filters by type, dimensions, versions in force by when an event occurred."""

from typing import Any

import pytest

from core.billing.metering.meters import service
from tests.billing.metering.conftest import Metering, event
from tests.support.callers import Caller
from tests.support.furnished import made

DAY = {"from": "2027-03-10T00:00:00Z", "to": "2027-03-11T00:00:00Z"}


async def test_five_aggregations_of_the_same_events(metering: Metering) -> None:
    await metering.meter("calls", "count")
    for aggregation in ("sum", "max", "unique", "latest"):
        await metering.meter(aggregation, aggregation, property="size")
    sizes: list[Any] = [3, "2.5", 0.25, 3, 1]
    answer = await metering.send(*(event(size=size) for size in sizes))
    assert (answer["accepted"], answer["refused"]) == (5, 0)
    assert [line["meters"] for line in answer["data"]] == [5] * 5
    found = {code: await metering.quantity(code) for code in ("calls", "sum", "max", "unique", "latest")}
    assert found == {"calls": "5", "sum": "9.75", "max": "3", "unique": "4", "latest": "1"}


async def test_the_latest_value_is_the_one_that_occurred_last_however_it_came_in(clocked: Metering) -> None:
    await clocked.meter("seats", "latest", property="seats", countsFrom="2027-03-10T00:00:00Z")
    await clocked.send(event(seats=7, occurredAt="2027-03-10T10:00:00Z"))
    await clocked.send(
        event(seats=5, occurredAt="2027-03-10T09:00:00Z"), event(seats=9, occurredAt="2027-03-10T09:30:00Z")
    )
    assert await clocked.quantity("seats") == "7"
    assert await clocked.quantity("seats", to="2027-03-10T09:45:00Z") == "9"
    assert await clocked.quantity("seats", to="2027-03-10T09:00:00Z") == "0"


async def test_without_a_property_the_events_quantity_is_counted_and_one_without_that(metering: Metering) -> None:
    await metering.meter("units", "sum")
    await metering.send(event(quantity="1.000000000001"), event(quantity=2), event())
    assert await metering.quantity("units") == "4.000000000001"


async def test_filters_know_the_type_of_a_value(metering: Metering) -> None:
    def one(operator: str, *values: Any) -> list[dict[str, Any]]:
        return [{"property": "tier", "operator": operator, "values": list(values)}]

    await metering.meter("number", filters=one("equals", 1))
    await metering.meter("text", filters=one("equals", "1"))
    await metering.meter("truth", filters=one("equals", True))
    await metering.meter("half", filters=one("in", 0.5, "x"))
    await metering.meter("there", filters=one("exists"))
    tiers = [1, 1.0, "1", True, 0.5, "0.5", "x", None, False]
    await metering.send(*(event(tier=tier) for tier in tiers), event())
    found = {code: await metering.quantity(code) for code in metering.meters}
    assert found == {"number": "2", "text": "1", "truth": "1", "half": "2", "there": "8"}


async def test_dimensions_are_shown_apart_and_asked_for(metering: Metering) -> None:
    await metering.meter("bytes", "sum", property="bytes", dimensions=["region", "size"])
    await metering.send(
        event(bytes=1, region="eu", size=1), event(bytes=2, region="eu", size=2), event(bytes=4, region="us", size=1)
    )
    await metering.send(event(bytes=8, size=1))
    answer = await metering.usage("bytes", groupBy="region")
    assert {line["dimensions"]["region"]: line["quantity"] for line in answer["lines"]} == {
        "eu": "3",
        "us": "4",
        None: "8",
    }
    assert await metering.quantity("bytes", dimension=["region:eu", "size:2"]) == "2"
    assert await metering.quantity("bytes", dimension="size:1") == "13"
    refused = await metering.caller.get("/billing/usage", meter="bytes", groupBy="color", externalId="ada")
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_input")


async def test_what_was_counted_keeps_its_definition(clocked: Metering) -> None:
    meter = await clocked.meter("calls", filters=[{"property": "paid", "operator": "equals", "values": [True]}])
    await clocked.send(event(paid=True), event(paid=False))
    await made(clocked.caller.post("/billing/test-clock", {"now": "2027-03-10T13:10:00Z"}))
    changed = await made(clocked.caller.patch(f"/billing/meters/{meter}", {"filters": []}))
    assert (changed["version"]["version"], changed["version"]["effectiveFrom"]) == (2, "2027-03-10T13:10:00Z")
    await clocked.send(event(paid=False), event(paid=False, occurredAt="2027-03-10T13:05:00Z"))
    await clocked.send(event(paid=True, occurredAt="2027-03-10T13:05:00Z"))
    lines = (await clocked.usage("calls", interval="hour", **DAY))["lines"]
    assert [(line["start"], line["quantity"]) for line in lines] == [
        ("2027-03-10T12:00:00Z", "1"),
        ("2027-03-10T13:00:00Z", "2"),
    ]
    versions = (await made(clocked.caller.get(f"/billing/meters/{meter}")))["versions"]
    assert [one["version"] for one in versions] == [1, 2]


async def test_events_that_came_in_ahead_of_a_change_are_counted_by_it(clocked: Metering) -> None:
    meter = await clocked.meter("calls")
    await clocked.send(event(occurredAt="2027-03-10T12:33:00Z"), event())
    await made(clocked.caller.post("/billing/test-clock", {"now": "2027-03-10T12:31:00Z"}))
    await made(clocked.caller.patch(f"/billing/meters/{meter}", {"eventName": "other"}))
    assert await clocked.quantity("calls", **DAY) == "1"
    await clocked.send(event(eventName="other"))
    assert await clocked.quantity("calls", **DAY) == "2"


async def test_a_meter_may_count_what_is_stored_already(clocked: Metering) -> None:
    answer = await clocked.send(*(event(occurredAt=f"2027-03-{day:02}T10:00:00Z", n=day) for day in (1, 5, 9)))
    assert [line["meters"] for line in answer["data"]] == [0, 0, 0]
    await clocked.meter("late", "sum", property="n", countsFrom="2027-03-02T05:30:00+05:30")
    await clocked.meter("new", "sum", property="n")
    assert (await clocked.quantity("late"), await clocked.quantity("new")) == ("14", "15")
    await clocked.meter("present", "sum", property="n", countsFrom="2027-03-10T12:30:00Z")
    assert await clocked.quantity("present") == "0"


async def test_a_new_meter_counts_all_that_may_still_come_in_late(clocked: Metering) -> None:
    """What is taken without a reason, 35 days late, is counted, whichever came first: it or the meter."""
    await clocked.send(event(occurredAt="2027-02-03T12:30:00Z", n=1))
    meter = await clocked.meter("calls", "sum", property="n")
    await clocked.send(event(occurredAt="2027-02-03T12:30:01Z", n=2), event(n=4))
    assert await clocked.quantity("calls", **{"from": "2027-02-01T00:00:00Z", "to": "2027-04-01T00:00:00Z"}) == "7"
    shown = await made(clocked.caller.get(f"/billing/meters/{meter}"))
    assert shown["version"]["effectiveFrom"] == "2027-02-03T12:30:00Z"


async def test_a_new_meter_begins_now_where_too_much_is_stored(
    clocked: Metering, monkeypatch: pytest.MonkeyPatch
) -> None:
    await clocked.send(*(event(n=n, occurredAt="2027-03-10T12:00:00Z") for n in range(3)))
    monkeypatch.setattr(service, "MOST_RECOUNTED", 2)
    meter = await clocked.meter("calls")
    assert await clocked.quantity("calls", **DAY) == "0"
    shown = await made(clocked.caller.get(f"/billing/meters/{meter}"))
    assert shown["version"]["effectiveFrom"] == "2027-03-10T12:30:00Z"


async def test_an_archived_meter_counts_late_events_of_its_time_only(clocked: Metering) -> None:
    meter = await clocked.meter("calls", countsFrom="2027-03-10T12:00:00Z")
    await made(clocked.caller.post(f"/billing/meters/{meter}/archive"))
    await clocked.send(event(), event(occurredAt="2027-03-10T12:29:59Z"))
    assert await clocked.quantity("calls") == "1"
    again = await clocked.caller.patch(f"/billing/meters/{meter}", {"name": "other"})
    assert (again.status_code, again.json()["code"]) == (409, "meter_archived")
    assert (await made(clocked.caller.get("/billing/meters")))["data"] == []
    assert len((await made(clocked.caller.get("/billing/meters", archived=True)))["data"]) == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"aggregation": "median"}, "aggregation"),
        ({"aggregation": "unique"}, "unique needs a property"),
        ({"property": "x"}, "count takes no property"),
        ({"code": "Not A Code"}, "code"),
        ({"filters": [{"property": "x", "operator": "like", "values": ["a"]}]}, "filters.0.operator"),
        ({"filters": [{"property": "x", "operator": "equals", "values": []}]}, "values must be one"),
        ({"filters": [{"property": "x", "operator": "exists", "values": [1]}]}, "values must be none"),
        ({"filters": [{"property": "x", "operator": "in", "values": [None]}]}, "filters.0.values"),
        ({"dimensions": ["a", "a"]}, "dimensions must be distinct"),
        ({"dimensions": list("abcdef")}, "dimensions"),
        ({"countsFrom": "2999-01-01T00:00:00Z"}, "countsFrom"),
        ({"eventName": ""}, "eventName"),
        ({"unknown": 1}, "unknown"),
    ],
)
async def test_a_definition_that_makes_no_sense_is_refused(
    metering: Metering, change: dict[str, Any], field: str
) -> None:
    body = {"code": "calls", "name": "Calls", "aggregation": "count", "eventName": "call", **change}
    answer = await metering.caller.post("/billing/meters", body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert field in answer.text
    assert (await made(metering.caller.get("/billing/meters", archived=True)))["data"] == []


async def test_a_code_is_taken_once_in_a_tenant(metering: Metering, other: Caller) -> None:
    await metering.meter("calls")
    body = {"code": "calls", "name": "Calls", "aggregation": "count", "eventName": "call"}
    assert (await metering.caller.post("/billing/meters", body)).json()["code"] == "meter_code_taken"
    assert (await other.post("/billing/meters", body)).status_code == 201


async def test_a_value_met_only_before_a_period_of_two_days_is_none_of_its(clocked: Metering) -> None:
    await clocked.meter("who", "unique", property="who", countsFrom="2027-03-01T00:00:00Z")
    for at, who in (
        ("2027-03-08T10:30:00Z", "morning"),
        ("2027-03-08T12:10:00Z", "edge"),
        ("2027-03-08T13:30:00Z", "afternoon"),
        ("2027-03-09T00:10:00Z", "night"),
        ("2027-03-09T09:30:00Z", "after"),
    ):
        await clocked.send(event(occurredAt=at, who=who))
    two_days = {"from": "2027-03-08T12:15:00Z", "to": "2027-03-09T09:00:00Z"}
    assert await clocked.quantity("who", **two_days) == "2"
    parts = (await clocked.usage("who", **two_days, interval="day"))["lines"]
    assert [one["quantity"] for one in parts] == ["1", "1"]
