"""The pure rules on a purchase."""

from hypothesis import given
from hypothesis import strategies as st

from core.billing.payments.models import Payment, Purchase, Refund
from core.billing.payments.sale import Sale
from core.foundation.ids import new_id


def sale(*, amount_minor: int = 500, credits_micro: int = 5_000_000, paid_by: str | None = "intent") -> Sale:
    payments = {
        means: Payment(id=new_id(), means=means, state="pending", amount_minor=amount_minor)
        for means in ("intent", "checkout")
    }
    if paid_by:
        payments[paid_by].state = "succeeded"
    purchase = Purchase(amount_minor=amount_minor, credits_micro=credits_micro, paid_by=paid_by)
    return Sale(purchase, payments, [], [])


@given(
    st.integers(1, 10**9).flatmap(
        lambda whole: st.tuples(st.just(whole), st.lists(st.integers(1, whole), min_size=1, max_size=8))
    ),
    st.integers(1, 10**15),
)
def test_refunds_in_parts_take_back_no_more_than_their_share_and_together_all_of_it(
    amounts: tuple[int, list[int]], credits_micro: int
) -> None:
    whole, parts = amounts
    shop = sale(amount_minor=whole, credits_micro=credits_micro)
    payment = shop.payments["intent"]
    for part in [*parts, whole]:
        part = min(part, shop.refundable_minor)
        if part == 0:
            break
        taken = shop.credits_for(payment, part)
        assert taken >= 0
        shop.refunds.append(
            Refund(payment_id=payment.id, state="succeeded", amount_minor=part, credits_micro=taken, origin="requested")
        )
        gone = shop.gone_minor(payment)
        assert credits_micro - shop.credits_left_micro == credits_micro * gone // whole
    assert (shop.refundable_minor, shop.credits_left_micro, shop.state()) == (0, 0, "refunded")


def test_a_state_follows_from_the_payments() -> None:
    def state(intent: str, checkout: str) -> str:
        shop = sale(paid_by=None)
        shop.payments["intent"].state, shop.payments["checkout"].state = intent, checkout
        return shop.state()

    assert state("pending", "pending") == "pending"
    assert state("failed", "pending") == "failed"
    assert state("failed", "canceled") == "failed"
    assert state("pending", "canceled") == "pending"
    assert state("canceled", "canceled") == "canceled"
    assert sale().state() == "paid"


def test_a_second_payment_never_stands_against_credits() -> None:
    shop = sale(paid_by="intent")
    second = shop.payments["checkout"]
    second.state = "succeeded"
    assert shop.credits_for(second, 500) == 0
    assert shop.credits_for(shop.payments["intent"], 250) == 2_500_000
