"""Late and wrong usage is corrected by what is said of it, never edited; backfills are previewed and taken back."""

from typing import Any

from tests.billing.metering.conftest import Metering, event
from tests.support.furnished import made

MARCH = {"from": "2027-03-01T00:00:00Z", "to": "2027-04-01T00:00:00Z"}
JANUARY = {"from": "2027-01-01T00:00:00Z", "to": "2027-02-01T00:00:00Z"}


async def five_ways(metering: Metering) -> None:
    await metering.meter("calls", countsFrom="2026-12-01T00:00:00Z")
    for aggregation in ("sum", "max", "unique", "latest"):
        await metering.meter(aggregation, aggregation, property="n", countsFrom="2026-12-01T00:00:00Z")


async def figures(metering: Metering, customer: str = "ada", **period: str) -> list[str]:
    return [await metering.quantity(code, customer, **(period or MARCH)) for code in metering.meters]


async def amend(metering: Metering, event_id: str, kind: str, replacement: Any = None, **fields: Any) -> dict[str, Any]:
    body = {"kind": kind, "reason": "counted twice", **({"replacement": replacement} if replacement else {}), **fields}
    return await made(metering.caller.post(f"/billing/usage/events/{event_id}/amendments", body))


async def test_a_voided_event_counts_no_more_and_stays_on_record(clocked: Metering) -> None:
    await five_ways(clocked)
    sent = await clocked.send(event(n=1), event(n=7), event(n=7), event(n=3))
    assert await figures(clocked) == ["4", "18", "7", "3", "3"]
    ids = [line["usageEventId"] for line in sent["data"]]
    answer = await amend(clocked, ids[3], "void")
    assert (answer["counts"], answer["replacementId"]) == (False, None)
    assert await figures(clocked) == ["3", "15", "7", "2", "7"]
    found = await made(clocked.caller.get(f"/billing/usage/events/{ids[3]}"))
    assert (found["counts"], found["properties"]) == (False, {"n": 3})
    (line,) = found["corrections"]
    assert (line["kind"], line["reason"], line["correctedBy"]) == ("void", "counted twice", clocked.caller.user_id)
    assert line["occurredAt"] == "2027-03-10T12:30:00Z"
    again = await clocked.caller.post(f"/billing/usage/events/{ids[3]}/amendments", {"kind": "void", "reason": "again"})
    assert (again.status_code, again.json()["code"]) == (409, "usage_event_does_not_count")
    await amend(clocked, ids[3], "restore")
    assert await figures(clocked) == ["4", "18", "7", "3", "3"]


async def test_another_event_counts_instead(clocked: Metering) -> None:
    await five_ways(clocked)
    sent = await clocked.send(event(n=100, occurredAt="2027-03-09T10:00:00Z", note="0.5"), event(n=2))
    wrong = sent["data"][0]["usageEventId"]
    replacement = {"idempotencyKey": "right", "properties": {"n": 0.1}}
    answer = await amend(clocked, wrong, "replace", replacement)
    assert await figures(clocked) == ["2", "2.1", "2", "2", "2"]
    right = await made(clocked.caller.get(f"/billing/usage/events/{answer['replacementId']}"))
    assert (right["occurredAt"], right["counts"], right["properties"]) == ("2027-03-09T10:00:00Z", True, {"n": 0.1})
    restored = await clocked.caller.post(
        f"/billing/usage/events/{wrong}/amendments", {"kind": "restore", "reason": "it was right"}
    )
    assert restored.json()["code"] == "usage_event_counts"
    moved = {"idempotencyKey": "bobs", "externalId": "bob", "occurredAt": "2027-03-08T23:00:00Z"}
    await amend(clocked, answer["replacementId"], "replace", moved)
    assert await figures(clocked) == ["1", "2", "2", "1", "2"]
    assert await figures(clocked, "bob") == ["1", "0.1", "0.1", "1", "0.1"]


async def test_a_replacement_that_cannot_be_taken_changes_nothing(clocked: Metering) -> None:
    await five_ways(clocked)
    sent = await clocked.send(event(n=1), event(n=2, idempotencyKey="taken"))
    path = f"/billing/usage/events/{sent['data'][0]['usageEventId']}/amendments"
    for replacement, code in (
        ({"idempotencyKey": "x", "properties": {"n": -1}}, "usage_events_refused"),
        ({"idempotencyKey": "x", "occurredAt": "2027-03-11T00:00:00Z"}, "usage_events_refused"),
        ({"idempotencyKey": "taken"}, "usage_events_refused"),
        ({"properties": {}}, "usage_events_refused"),
    ):
        answer = await clocked.caller.post(path, {"kind": "replace", "reason": "wrong", "replacement": replacement})
        assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text
    assert await figures(clocked) == ["2", "3", "2", "2", "2"]
    answer = await clocked.caller.post(path, {"kind": "replace", "reason": "wrong"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")


async def test_a_backfill_says_before_what_it_does_after(clocked: Metering) -> None:
    await five_ways(clocked)
    await clocked.send(event(n=5))
    late = [
        event(n=2, occurredAt="2027-01-05T00:30:00Z"),
        event(n=4, occurredAt="2027-01-31T23:59:59Z"),
        event(n=9, occurredAt="2027-03-02T00:00:00Z"),
        event(n=1, externalId="new", occurredAt="2027-01-05T00:00:00Z"),
    ]
    body = {"reason": "the collector was down", "events": late}
    previewed = await clocked.caller.request("POST", "/billing/usage/backfills?preview=true", json=body)
    assert previewed.status_code == 200  # nothing was made
    preview = previewed.json()
    assert (preview["status"], preview["backfillId"], preview["events"]) == ("previewed", None, 4)
    assert (await clocked.caller.get("/billing/usage", meter="sum", externalId="new")).status_code == 404
    assert await figures(clocked) == ["1", "5", "5", "1", "5"]
    assert (await made(clocked.caller.get("/billing/usage/backfills")))["data"] == []

    applied = await made(clocked.caller.post("/billing/usage/backfills", body, key="outage"))
    told = {(line["meter"], line["start"][:7], line["before"], line["after"]) for line in applied["changes"]}
    assert told == {(line["meter"], line["start"][:7], line["before"], line["after"]) for line in preview["changes"]}
    assert ("sum", "2027-01", "0", "6") in told
    assert ("max", "2027-03", "5", "9") in told
    assert ("latest", "2027-03", "5", "5") in told
    assert await figures(clocked) == ["2", "14", "9", "2", "5"]
    assert await figures(clocked, **JANUARY) == ["2", "6", "4", "2", "4"]
    replayed = await made(clocked.caller.post("/billing/usage/backfills", body, key="outage"))
    assert (replayed["replayed"], replayed["backfillId"]) == (True, applied["backfillId"])
    other = await clocked.caller.post("/billing/usage/backfills", {**body, "reason": "another"}, key="outage")
    assert other.json()["code"] == "idempotency_key_reused"


async def test_a_backfill_is_taken_back_as_a_whole_with_what_replaced_its_events(clocked: Metering) -> None:
    await five_ways(clocked)
    await clocked.send(event(n=5))
    before = await figures(clocked)
    late = [event(n=number, occurredAt=f"2027-03-0{number}T08:00:00Z") for number in range(1, 5)]
    applied = await made(
        clocked.caller.post("/billing/usage/backfills", {"reason": "late file", "events": late}, key="file")
    )
    page = (await made(clocked.caller.get("/billing/usage/events")))["data"]
    await amend(clocked, page[0]["usageEventId"], "replace", {"idempotencyKey": "again", "properties": {"n": 50}})
    path = f"/billing/usage/backfills/{applied['backfillId']}"
    reverted = await made(clocked.caller.post(f"{path}/revert", {"reason": "wrong file"}))
    assert (reverted["status"], reverted["revertReason"]) == ("reverted", "wrong file")
    assert await figures(clocked) == before
    assert (await clocked.caller.post(f"{path}/revert", {"reason": "again"})).json()["code"] == (
        "usage_backfill_reverted"
    )
    events = (await made(clocked.caller.get("/billing/usage/events")))["data"]
    assert [one["counts"] for one in events] == [False] * 5 + [True]
    trail = await made(clocked.caller.get(f"/billing/usage/events/{events[1]['usageEventId']}"))
    assert trail["backfillId"] == applied["backfillId"]


async def test_a_backfill_is_taken_whole_or_not_at_all(clocked: Metering) -> None:
    await five_ways(clocked)
    events = [event(n=1, occurredAt="2027-01-05T00:00:00Z"), event(n=-1), event(occurredAt="2027-04-01T00:00:00Z", n=1)]
    answer = await clocked.caller.post("/billing/usage/backfills", {"reason": "late file", "events": events}, key="k")
    assert (answer.status_code, answer.json()["code"]) == (422, "usage_events_refused")
    assert [(one["field"], one["code"]) for one in answer.json()["errors"]] == [
        ("events.1", "usage_quantity_out_of_range"),
        ("events.2", "usage_event_in_future"),
    ]
    assert (await made(clocked.caller.get("/billing/usage/events")))["data"] == []
    missing = await clocked.caller.post("/billing/usage/backfills", {"reason": "late file", "events": events})
    assert missing.json()["errors"][0]["field"] == "Idempotency-Key"


async def test_an_amendment_is_made_once_a_key(clocked: Metering) -> None:
    sent = await clocked.send(event(n=1))
    path = f"/billing/usage/events/{sent['data'][0]['usageEventId']}/amendments"
    body = {"kind": "void", "reason": "a mistake"}
    first = await made(clocked.caller.post(path, body, key="once"))
    again = await made(clocked.caller.post(path, body, key="once"))
    assert (again["correctionId"], first["replayed"], again["replayed"]) == (first["correctionId"], False, True)
