"""Values of dimensions have the type and the digits they had in JSON: 1, "1" and true are three, 1 and 1.0 are one."""

import json

import pytest

from tests.billing.metering.conftest import Metering, event
from tests.support.furnished import made

HUGE = 10**30
JSON = {"Content-Type": "application/json"}


async def test_groups_are_asked_for_by_the_type_of_their_value(metering: Metering) -> None:
    await metering.meter("calls", dimensions=["size"])
    for size in (1, 1.0, "1", True, True, True, False, 0, "true", None):
        await metering.send(event(size=size))
    await metering.send(event())
    assert {
        asked: await metering.quantity("calls", dimension=f"size:{asked}")
        for asked in ("1", "1.0", '"1"', "true", "false", "0", '"true"', "null", "[1]", "NaN")
    } == {
        **{"1": "2", "1.0": "2", '"1"': "1", "true": "3", "false": "1", "0": "1", '"true"': "1", "null": "2"},
        **{"[1]": "0", "NaN": "0"},
    }
    lines = (await metering.usage("calls", groupBy="size"))["lines"]
    assert sorted((json.dumps(line["dimensions"]["size"]), line["quantity"]) for line in lines) == [
        *(('"1"', "1"), ('"true"', "1"), ("0", "1"), ("1", "2"), ("false", "1"), ("null", "2"), ("true", "3")),
    ]


async def test_a_text_that_looks_like_a_list_is_a_text(metering: Metering) -> None:
    await metering.meter("calls", dimensions=["path"])
    await metering.send(event(path="[1]"), event(path="NaN"), event(path="/a"))
    for path in ("[1]", "NaN", "/a"):
        assert await metering.quantity("calls", dimension=f"path:{path}") == "1"


@pytest.mark.parametrize("value", [HUGE, 2**63, 2**64, -(2**63) - 1])
async def test_a_large_number_is_a_value_like_any_other(metering: Metering, value: int) -> None:
    await metering.meter("calls", dimensions=["tag"])
    await metering.meter("tags", "unique", property="tag", dimensions=["tag"])
    answer = await metering.send(event(tag=value), event(tag=value), event(tag=value + 1))
    assert answer["accepted"] == 3
    assert await metering.quantity("calls", dimension=f"tag:{value}") == "2"
    assert await metering.quantity("tags") == "2"
    lines = (await metering.usage("calls", groupBy="tag"))["lines"]
    assert sorted((line["dimensions"]["tag"], line["quantity"]) for line in lines) == [(value, "2"), (value + 1, "1")]


async def test_values_that_differ_in_the_twentieth_digit_are_two(metering: Metering) -> None:
    await metering.meter("calls", dimensions=["share"])
    shares = ("0.12345678901234567890", "0.12345678901234567891", "0.1234567890123456789", "0.25")
    for number, share in enumerate(shares):
        body = json.dumps({"events": [event(idempotencyKey=f"share-{number}", share="?")]}).replace('"?"', share)
        sent = metering.caller.request("POST", "/billing/usage/events", content=body, headers=JSON)
        assert (await made(sent))["accepted"] == 1
    lines = (await metering.usage("calls", groupBy="share"))["lines"]
    # By their digits where a number cannot hold them.
    assert [(line["dimensions"]["share"], line["quantity"]) for line in lines] == [
        *(("0.12345678901234567891", "1"), ("0.1234567890123456789", "2"), (0.25, "1")),
    ]
    assert await metering.quantity("calls", dimension=f"share:{shares[1]}") == "1"


async def test_what_replaces_an_event_has_its_digits_too(metering: Metering) -> None:
    await metering.meter("calls", "sum", property="n")
    sent = await metering.send(event(n=1, tag=HUGE), event(n=2))
    of_huge, other = (line["usageEventId"] for line in sent["data"])
    for number, (event_id, properties) in enumerate(
        ((of_huge, {}), (other, {"properties": {"n": "?", "tag": HUGE + 1}})), start=1
    ):
        given = {"idempotencyKey": f"right-{number}", "quantity": 7, **properties}
        body = json.dumps({"kind": "replace", "reason": "wrong", "replacement": given})
        sent_exactly = body.replace('"?"', "12345678901234567890.123456789")
        path = f"/billing/usage/events/{event_id}/amendments"
        await made(metering.caller.request("POST", path, content=sent_exactly, headers=JSON))
    assert await metering.quantity("calls") == "12345678901234567891.123456789"
    shown = (await made(metering.caller.get("/billing/usage/events", limit=4)))["data"]
    assert {(line["idempotencyKey"][:5], line["properties"]["tag"]) for line in shown if line["counts"]} == {
        ("right", HUGE),
        ("right", HUGE + 1),
    }


async def test_what_is_nested_too_deep_is_refused_by_name(metering: Metering) -> None:
    await metering.meter("calls", dimensions=["path"])
    deep = "[" * 1_000 + "]" * 1_000
    await metering.send(event(path="/a"))
    assert await metering.quantity("calls", dimension=f"path:{deep}") == "0"
    body = json.dumps({"events": [event(share=0.5), "?"]}).replace('"?"', deep)
    refused = await metering.caller.request("POST", "/billing/usage/events", content=body, headers=JSON)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_input")
