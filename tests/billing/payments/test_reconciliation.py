"""What Stripe says against what we say: every difference is named by its class, and then there is none."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.billing.payments.providers.saving import MovementKind, ProviderMovement
from core.billing.payments.reconciling import comparing
from core.billing.payments.reconciling.comparing import Compared, Difference, Known, compare
from core.billing.payments.reconciling.reconcile import reconcile
from tests.billing.payments.shop import Shop

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
