"""What Stripe says against what we say: every difference is named by its class, and then there is none."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from core.billing.payments.providers.saving import MovementKind, ProviderMovement
from core.billing.payments.reconciling import comparing
from core.billing.payments.reconciling.comparing import Acknowledged, Compared, Difference, Known, compare
from core.billing.payments.reconciling.reconcile import reconcile
from tests.billing.payments.shop import Shop
from tests.support.servers import Role

WALL = datetime(2026, 11, 20, tzinfo=UTC)
SINCE = WALL - timedelta(days=30)
THEN = WALL - timedelta(days=3)


def ours(moved: int = 500, *, key: str = "pi_1", kind: str = "charge", **changes: Any) -> Known:
    fields: dict[str, Any] = {
        "kind": kind, "row_id": "r", "tenant_id": "t", "provider_id": key, "amount_minor": 500, "moved_minor": moved,
        "currency": "USD", "state": "succeeded", "changed_at": THEN,
    }  # fmt: skip
    return Known(**(fields | changes))


def theirs(
    amount: int = 500, *, key: str = "pi_1", kind: MovementKind = MovementKind.CHARGE, at: datetime = THEN, fee: int = 0
) -> ProviderMovement:
    return ProviderMovement(
        movement_id=f"txn_{key}_{kind}",
        kind=kind,
        amount_minor=amount,
        fee_minor=fee,
        currency="USD",
        source_id=key,
        payment_id=key if kind is MovementKind.CHARGE else None,
        provider_type=kind.value,
        created_at=at,
    )


@pytest.mark.parametrize(
    ("known", "moved", "expected"),
    [
        ([ours()], [theirs()], []),
        ([], [theirs()], [Difference.MISSING_HERE]),
        ([], [theirs(at=WALL - timedelta(minutes=1))], [Difference.TIMING]),
        ([ours()], [], [Difference.MISSING_THERE]),
        ([ours(changed_at=WALL - timedelta(minutes=1))], [], [Difference.TIMING]),
        ([ours(400)], [theirs()], [Difference.AMOUNT]),
        ([ours(0, state="failed")], [theirs()], [Difference.STATE]),
        ([ours(currency="EUR")], [theirs()], [Difference.CURRENCY]),
        ([ours(booked_micro=None, expected_micro=5_000_000)], [theirs()], [Difference.LEDGER]),
        ([ours(booked_micro=5_000_000, expected_micro=5_000_000)], [theirs()], []),
        # Of a refund that is not ours and failed, nothing is left for anybody.
        (
            [],
            [
                theirs(-500, key="re_1", kind=MovementKind.REFUND),
                theirs(500, key="re_1", kind=MovementKind.REFUND_FAILURE),
            ],
            [],
        ),
        # A refund that failed came back: nothing has moved, and ours says so.
        (
            [ours(0, key="re_1", kind="refund", state="failed")],
            [
                theirs(-500, key="re_1", kind=MovementKind.REFUND),
                theirs(500, key="re_1", kind=MovementKind.REFUND_FAILURE),
            ],
            [],
        ),
        (
            [ours(-500, key="du_1", kind="dispute", state="lost")],
            [theirs(-500, key="du_1", kind=MovementKind.DISPUTE, fee=1500)],
            [],
        ),
        # Before the window: not looked at, but found by what is inside of it.
        ([], [theirs(at=SINCE - timedelta(hours=1))], []),
    ],
)
def test_each_difference_has_its_class(
    known: list[Known], moved: list[ProviderMovement], expected: list[Difference]
) -> None:
    done = compare(known, moved, since=SINCE, wall=WALL)
    assert [finding.difference for finding in done.findings] == expected
    assert all(sums.unexplained_minor == 0 for sums in done.sums.values())


async def look(shop: Shop) -> Compared:
    wall = datetime.now(UTC)
    settings = shop.runtime.settings
    return await reconcile(shop.runtime.database, settings, since=wall - timedelta(days=1), wall=wall)


async def test_a_day_of_trade_comes_to_zero_and_what_we_have_not_heard_of_is_named(
    shop: Shop, operator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparing, "GRACE", timedelta(0))
    paid, refunded, disputed = [await shop.buy() for _ in range(3)]
    for bought in (paid, refunded):
        shop.pay(bought)
    shop.stripe.control("payouts", currency="usd", amount=100)
    shop.pay(disputed, "pm_card_createDispute")
    shop.stripe.control("refunds", payment_intent=refunded["paymentIntentId"], amount=200)
    before = await look(shop)
    assert {finding.difference for finding in before.open_findings} == {Difference.STATE, Difference.MISSING_HERE}
    await shop.tell(shop.events())
    done = await look(shop)
    assert done.findings == []
    sums = done.sums["USD"]
    # 3 × 5.00 charged at 0.45 each, 2.00 refunded, 5.00 disputed for a fee of 15.00, 1.00 paid out.
    assert (sums.charged_minor, sums.refunded_minor, sums.disputed_minor) == (1500, -200, -500)
    assert (sums.fees_minor, sums.paid_out_minor, sums.net_minor) == (1635, -100, -935)
    assert (sums.ours_minor, sums.unexplained_minor) == (800, 0)

    refund = shop.stripe.control("refunds", payment_intent=paid["paymentIntentId"], amount=100)
    answer = (await operator.get("/payment/reconciliation", days=1)).json()
    assert [
        (row["difference"], row["providerId"], row["oursMinor"], row["theirsMinor"]) for row in answer["differences"]
    ] == [("missing_here", refund["id"], None, -100)]
    refused = await shop.tenant.get("/payment/reconciliation")
    assert refused.status_code == 403


Said = list[tuple[str, str, str, int | None, int | None]]


async def said(shop: Shop) -> Said:
    """Each difference: its class, what it is about, its name at the provider, what we say, what they say."""
    found = (await look(shop)).findings
    return [(one.difference.value, one.kind, one.provider_id, one.ours_minor, one.theirs_minor) for one in found]


async def test_each_class_is_found_on_a_real_account_and_is_gone_once_mended(
    shop: Shop,
    connect: Callable[[Role], Awaitable[psycopg.AsyncConnection[Any]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(comparing, "GRACE", timedelta(0))
    paid, returned, objected, waiting, unpaid = [await shop.buy() for _ in range(5)]
    for bought in (paid, returned, objected):
        shop.pay(bought)
    await shop.tell(shop.events())
    assert await said(shop) == []

    # What happened at the provider and was not heard of; heard of, it is gone.
    intent = waiting["paymentIntentId"]
    shop.pay(waiting)
    assert await said(shop) == [("state", "charge", intent, 0, 500)]
    await shop.tell(shop.events())
    assert await said(shop) == []
    refund = shop.stripe.control("refunds", payment_intent=returned["paymentIntentId"], amount=200)
    assert await said(shop) == [("missing_here", "refund", refund["id"], None, -200)]
    await shop.tell(shop.events())
    assert await said(shop) == []
    dispute = shop.stripe.control("disputes", payment_intent=objected["paymentIntentId"])
    assert await said(shop) == [("missing_here", "dispute", dispute["id"], None, -500)]
    await shop.tell(shop.events())
    assert await said(shop) == []
    shop.stripe.control(f"disputes/{dispute['id']}/close", status="won")
    assert await said(shop) == [("state", "dispute", dispute["id"], -500, 0)]
    await shop.tell(shop.events())
    assert await said(shop) == []

    # What is wrong in our rows; put right, it is gone.
    intent = paid["paymentIntentId"]
    admin = await connect("admin")
    await admin.execute("SET session_replication_role = replica")
    await admin.commit()
    row = f"WHERE provider_intent_id = '{intent}'"
    booked = f"WHERE kind = 'purchase' AND reference LIKE '{paid['purchaseId']}%'"
    other = f"WHERE provider_intent_id = '{unpaid['paymentIntentId']}'"
    for broken, mended, found in (
        (f"UPDATE payments SET provider_intent_id = 'pi_other' {row}",
         "UPDATE payments SET provider_intent_id = provider_id WHERE provider_intent_id = 'pi_other'",
         [("missing_here", "charge", intent, None, 500), ("missing_there", "charge", "pi_other", 500, None)]),
        (f"UPDATE payments SET state = 'succeeded' {other}", f"UPDATE payments SET state = 'pending' {other}",
         [("missing_there", "charge", unpaid["paymentIntentId"], 500, None)]),
        (f"UPDATE payments SET amount_minor = 400 {row}", f"UPDATE payments SET amount_minor = 500 {row}",
         [("amount", "charge", intent, 400, 500)]),
        (f"UPDATE payments SET currency = 'EUR' {row}", f"UPDATE payments SET currency = 'USD' {row}",
         [("currency", "charge", intent, 500, 500)]),
        (f"UPDATE refunds SET amount_minor = 199 WHERE provider_id = '{refund['id']}'",
         f"UPDATE refunds SET amount_minor = 200 WHERE provider_id = '{refund['id']}'",
         [("amount", "refund", refund["id"], -199, -200)]),
        (f"UPDATE ledger_transactions SET reference = reference || '-lost' {booked}",
         f"UPDATE ledger_transactions SET reference = '{paid['purchaseId']}' {booked}",
         [("ledger", "charge", intent, 500, 500)]),
    ):  # fmt: skip
        await admin.execute(broken)  # pyright: ignore[reportArgumentType, reportCallIssue]  (our own text)
        await admin.commit()
        assert await said(shop) == found, broken
        await admin.execute(mended)  # pyright: ignore[reportArgumentType, reportCallIssue]  (our own text)
        await admin.commit()
        assert await said(shop) == [], mended

    # 4 x 5.00 for 0.45 each, 2.00 given back, a dispute for 15.00 that was won, 1.00 paid out: no difference of ours.
    shop.stripe.control("payouts", currency="usd", amount=100)
    done = await look(shop)
    sums = done.sums["USD"]
    assert done.findings == []
    assert (sums.charged_minor, sums.refunded_minor, sums.disputed_minor, sums.other_minor) == (2_000, -200, 0, 0)
    assert (sums.fees_minor, sums.paid_out_minor, sums.net_minor) == (1_680, -100, 20)
    assert (sums.ours_minor, sums.unexplained_minor) == (1_800, 0)

    # What is younger than a quarter of an hour may still be told of.
    monkeypatch.undo()
    refund = shop.stripe.control("refunds", payment_intent=intent, amount=100)
    assert await said(shop) == [("timing", "refund", refund["id"], None, -100)]
    assert (await look(shop)).open_findings == []


async def test_what_is_not_ours_is_acknowledged_with_a_reason_and_asks_anew_once_it_changes(
    shop: Shop, operator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparing, "GRACE", timedelta(0))
    paid, waiting = await shop.buy(), await shop.buy()
    shop.pay(paid)
    await shop.tell(shop.events())
    strange = shop.client.v1.payment_intents.create(
        {"amount": 700, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True,
         "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"}}
    )  # fmt: skip
    where = "/payment/reconciliation/acknowledgements"
    wanted = {"kind": "charge", "providerId": strange.id, "reason": "The old shop's, which closes in May"}

    # Who may, and what is refused.
    assert (await shop.tenant.post(where, wanted)).status_code == 403
    for changed, status, code in (
        ({"reason": "no"}, 422, "invalid_input"),
        ({"kind": "payout"}, 422, "invalid_input"),
        ({"providerId": "pi_unknown"}, 404, "payment_difference_not_found"),
        ({"providerId": paid["paymentIntentId"]}, 404, "payment_difference_not_found"),
    ):
        refused = await operator.post(where, wanted | changed)
        assert (refused.status_code, refused.json()["code"]) == (status, code), refused.text
    short = await operator.post(where, wanted | {"reason": "no"})
    assert short.json()["detail"] == "reason: String should have at least 3 characters"
    shop.pay(waiting)
    ours = await operator.post(where, wanted | {"providerId": waiting["paymentIntentId"]})
    assert (ours.status_code, ours.json()["code"], ours.json()["difference"]) == (
        409,
        "payment_difference_ours",
        "state",
    )
    await shop.tell(shop.events())

    # Said once, kept with who and when, and to zero.
    assert await said(shop) == [("missing_here", "charge", strange.id, None, 700)]
    answer = await operator.post(where, wanted)
    assert (answer.status_code, answer.json()["difference"]) == (201, "acknowledged")
    assert answer.json()["acknowledgement"]["reason"] == wanted["reason"]
    assert answer.json()["acknowledgement"]["byEmail"] == operator.email
    again = await operator.post(where, wanted | {"reason": "Said twice"})
    assert (again.status_code, again.json()["acknowledgement"]["reason"]) == (200, wanted["reason"])
    done = await look(shop)
    assert (done.open_findings, [one.difference for one in done.findings]) == ([], [Difference.ACKNOWLEDGED])
    sums = done.sums["USD"]
    assert (sums.charged_minor, sums.ours_minor, sums.acknowledged_minor, sums.unexplained_minor) == (
        1_700,
        1_000,
        700,
        0,
    )
    rows = (await operator.get("/operations/audit")).json()["data"]
    assert [(row["action"], row["reason"]) for row in rows if "acknowledge" in row["action"]] == [
        ("payment.acknowledged", wanted["reason"])
    ]

    # What goes back of it is a movement of its own.
    refund = shop.stripe.control("refunds", payment_intent=strange.id, amount=200)
    assert [one.provider_id for one in (await look(shop)).open_findings] == [refund["id"]]
    given_back = {"kind": "refund", "providerId": refund["id"], "reason": "Of the old shop"}
    assert (await operator.post(where, given_back)).status_code == 201
    assert (await look(shop)).open_findings == []

    # Taken back, it asks again.
    path = f"{where}/charge/{strange.id}"
    assert (await operator.delete(path)).status_code == 204
    assert (await operator.delete(path)).status_code == 404
    assert [one.provider_id for one in (await look(shop)).open_findings] == [strange.id]


def test_an_acknowledged_sum_that_changes_asks_again() -> None:
    said_then = {("refund", "re_1"): Acknowledged(-200, "USD", "not ours", None, THEN)}
    for moved, expected in (
        ([theirs(-200, key="re_1", kind=MovementKind.REFUND)], [Difference.ACKNOWLEDGED]),
        ([theirs(-200, key="re_1", kind=MovementKind.REFUND),
          theirs(50, key="re_1", kind=MovementKind.REFUND_FAILURE)], [Difference.MISSING_HERE]),
        ([theirs(-200, key="re_1", kind=MovementKind.REFUND),
          theirs(200, key="re_1", kind=MovementKind.REFUND_FAILURE)], []),
    ):  # fmt: skip
        done = compare([], moved, since=SINCE, wall=WALL, acknowledged=said_then)
        assert [finding.difference for finding in done.findings] == expected
    # What has become ours is compared like anything of ours.
    assert compare([ours(-200, key="re_1", kind="refund")], [theirs(-200, key="re_1", kind=MovementKind.REFUND)],
                   since=SINCE, wall=WALL, acknowledged=said_then).findings == []  # fmt: skip
