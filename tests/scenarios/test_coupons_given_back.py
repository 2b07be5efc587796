"""Stories of amount coupons in periods that are given back: what a coupon paid does not come back as money."""

from collections.abc import Awaitable, Callable

import pytest

from core.billing.invoices.documents.checking import check_xml
from tests.scenarios.story import TAXED, Story, flat, metered
from tests.support.furnished import made

Begin = Callable[..., Awaitable[Story]]
START = "2026-01-31T10:00:00Z"
QUARTER, HALF, THREE_QUARTERS = "2026-02-07T10:00:00Z", "2026-02-14T10:00:00Z", "2026-02-21T10:00:00Z"
"""Of the 28 days from the start on."""
LATER = "2026-02-27T10:00:00Z"


async def canceled(begin: Begin, price: str, coupons: dict[str, int | str], *, at: str) -> list[str]:
    """The bills of a plan with these coupons, in cents or percent, that is canceled at an instant."""
    story = await begin(START)
    ada = await story.customer()
    await story.sells("pro", flat(price))
    for code, off in coupons.items():
        terms = {"percent": off} if isinstance(off, str) else {"amountMinor": off, "currency": "EUR"}
        await story.offers(code, **terms)
    one = await story.subscribes(ada, "pro", coupons=list(coupons))
    await story.until(at)
    await story.does(one, "cancel", when="now")
    await story.until(LATER)
    return await story.bills(ada)


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        # 670 of 672 hours: 9.97 of 10.00. Of the 0.03 that are left the coupon takes 0.03 and not 9.00.
        ("2026-01-31T12:00:00Z", "01-31 paid: unused base -9.97, coupons 8.97 = -1.00 EUR, 1.00 into the wallet"),
        (HALF, "02-14 paid: unused base -5.00, coupons 4.00 = -1.00 EUR, 1.00 into the wallet"),
        # 9.00 of 10.00 are used up, to the cent: the coupon still fits.
        ("2026-02-25T14:48:00Z", "02-25 paid: unused base -1.00 = -1.00 EUR, 1.00 into the wallet"),
    ],
)
async def test_no_more_comes_back_than_was_paid(begin: Begin, at: str, expected: str) -> None:
    assert await canceled(begin, "10", {"nine": 900}, at=at) == [
        "INV-00001 2026-01-31 open: base 10.00, coupons -9.00 = 1.00 EUR",
        f"INV-00002 2026-{expected}",
    ]


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (QUARTER, "02-07 paid: unused base -15.00, coupons 4.00 = -11.00 EUR, 11.00 into the wallet"),
        (HALF, "02-14 paid: unused base -10.00 = -10.00 EUR, 10.00 into the wallet"),
        (THREE_QUARTERS, "02-21 paid: unused base -5.00 = -5.00 EUR, 5.00 into the wallet"),
    ],
)
async def test_a_coupon_that_still_fits_into_what_is_left_changes_nothing(begin: Begin, at: str, expected: str) -> None:
    assert await canceled(begin, "20", {"nine": 900}, at=at) == [
        "INV-00001 2026-01-31 open: base 20.00, coupons -9.00 = 11.00 EUR",
        f"INV-00002 2026-{expected}",
    ]


@pytest.mark.parametrize(
    ("coupons", "first", "last"),
    [
        # 2.50 are left: the first 1.50 too much, and the second all of its 5.00.
        ({"four": 400, "five": 500}, "coupons -9.00 = 1.00 EUR", "coupons 6.50 = -1.00 EUR, 1.00"),
        # 0.75 of the percentage; 2.25 are left for the amount, 2.75 less than it took.
        ({"tenth": "10", "five": 500}, "coupons -6.00 = 4.00 EUR", "coupons 3.50 = -4.00 EUR, 4.00"),
        # 2.50 too much of the amount; a tenth of the 5.00 that come back after it.
        ({"five": 500, "tenth": "10"}, "coupons -5.50 = 4.50 EUR", "coupons 3.00 = -4.50 EUR, 4.50"),
    ],
)
async def test_several_coupons_shrink_what_comes_back_in_their_order(
    begin: Begin, coupons: dict[str, int | str], first: str, last: str
) -> None:
    assert await canceled(begin, "10", coupons, at=QUARTER) == [
        f"INV-00001 2026-01-31 open: base 10.00, {first}",
        f"INV-00002 2026-02-07 paid: unused base -7.50, {last} into the wallet",
    ]


async def test_of_a_period_that_a_coupon_paid_whole_nothing_comes_back(begin: Begin) -> None:
    assert await canceled(begin, "30", {"fifty": 5000}, at=HALF) == [
        "INV-00001 2026-01-31 paid: base 30.00, coupons -30.00 = 0.00 EUR",
        "INV-00002 2026-02-14 paid: unused base -15.00, coupons 15.00 = 0.00 EUR",
    ]


async def test_what_was_used_is_paid_by_the_coupon_first(begin: Begin) -> None:
    story = await begin(START)
    ada = await story.customer()
    await story.meters()
    await story.sells("pro", flat("10"), metered("1"))
    await story.offers("nine", amountMinor=900, currency="EUR")
    one = await story.subscribes(ada, "pro", coupons=["nine"])
    await story.uses(ada, 3)
    await story.until(HALF)
    await story.does(one, "cancel", when="now")
    await story.until(LATER)
    # 10.00 - 5.00 + 3.00 are left, a euro less than the coupon.
    first, last = await story.bills(ada)
    assert first == "INV-00001 2026-01-31 open: base 10.00, coupons -9.00 = 1.00 EUR"
    assert last.endswith("coupons 1.00 = -1.00 EUR, 1.00 into the wallet")
    shares = {line["kind"]: line["discountMinor"] for line in await story.lines((await story.invoices(ada))[1])}
    assert shares == {"unused": -100, "usage": 0}


async def test_a_pause_gives_back_what_was_paid_and_the_resumption_has_the_coupon_no_more(begin: Begin) -> None:
    story = await begin(START)
    ada = await story.customer()
    await story.sells("pro", flat("10"))
    await story.offers("nine", amountMinor=900, currency="EUR")
    one = await story.subscribes(ada, "pro", coupons=["nine"])
    await story.until(HALF)
    await story.does(one, "pause")
    await story.until(THREE_QUARTERS)
    await story.does(one, "resume")
    await story.until(LATER)
    assert await story.bills(ada) == [
        "INV-00001 2026-01-31 open: base 10.00, coupons -9.00 = 1.00 EUR",
        "INV-00002 2026-02-14 paid: unused base -5.00, coupons 4.00 = -1.00 EUR, 1.00 into the wallet",
        "INV-00003 2026-02-21 open: base 2.50 = 2.50 EUR, 1.00 from the wallet",
    ]


async def test_down_up_and_out_is_reckoned_from_what_the_coupon_took_so_far(begin: Begin) -> None:
    story = await begin(START)
    ada = await story.customer()
    await story.sells("small", flat("2"))
    await story.sells("large", flat("10"))
    await story.offers("nine", amountMinor=900, currency="EUR")
    one = await story.subscribes(ada, "large", coupons=["nine"])
    await story.until(HALF)
    await story.does(one, "change", planId="small", billing="now")
    await story.until(THREE_QUARTERS)
    await story.does(one, "change", planId="large", billing="now")
    await story.until("2026-02-21T10:30:00Z")
    await story.does(one, "cancel", when="now")
    await story.until(LATER)
    # 6.00 are left after the first, all of them the coupon's; 8.00 after the second, to which it adds nothing; then
    # 167.5 of 672 hours come back, and of the 5.51 that are left the coupon took 0.49 too much. Paid: 1 - 1 + 2 - 2.
    assert [line.partition(" into")[0] for line in await story.bills(ada)] == [
        "INV-00001 2026-01-31 open: base 10.00, coupons -9.00 = 1.00 EUR",
        "INV-00002 2026-02-14 paid: unused base -5.00, remaining base 1.00, coupons 3.00 = -1.00 EUR, 1.00",
        "INV-00003 2026-02-21 open: unused base -0.50, remaining base 2.50 = 2.00 EUR, 1.00 from the wallet",
        "INV-00004 2026-02-21 paid: unused base -2.49, coupons 0.49 = -2.00 EUR, 2.00",
    ]


async def test_yen_have_no_cents(begin: Begin) -> None:
    story = await begin(START, currency="JPY")
    ada = await story.customer(currency="JPY")
    await story.sells("pro", flat("1001"), currency="JPY")
    await story.offers("most", amountMinor=900, currency="JPY")
    one = await story.subscribes(ada, "pro", coupons=["most"], currency="JPY")
    await story.until(HALF)
    await story.does(one, "cancel", when="now")
    await story.until(LATER)
    # 500.5 come back, half up is 501 of a credit; of the 500 that are left the coupon took 400 too much.
    assert await story.bills(ada) == [
        "INV-00001 2026-01-31 open: base 1001, coupons -900 = 101 JPY",
        "INV-00002 2026-02-14 paid: unused base -501, coupons 400 = -101 JPY, 101 into the wallet",
    ]


async def test_what_was_previewed_is_billed_and_has_an_electronic_form(begin: Begin) -> None:
    story = await begin(START, **TAXED)
    ada = await story.customer()
    await story.sells("pro", flat("10"), flat("5", "support"))
    await story.offers("twelve", amountMinor=1200, currency="EUR", duration="forever")
    one = await story.subscribes(ada, "pro", coupons=["twelve"])
    await story.until(HALF)
    path = f"/billing/subscriptions/{one}/cancel/preview"
    (previewed,) = (await made(story.caller.post(path, {"when": "now"})))["invoices"]
    await story.does(one, "cancel", when="now")
    await story.until(LATER)
    # Of 7.50 that are left the coupon took 4.50 too much, by the size of the lines: 3.00 and 1.50. 19 % of 2 and 1.
    last = (await story.invoices(ada))[1]
    names = ("subtotalMinor", "discountMinor", "taxMinor", "totalMinor")
    assert [last[name] for name in names] == [-750, -450, -57, -357]
    assert [previewed[name] for name in names] == [-750, -450, -57, -357]
    rows = [(line["code"], line["discounts"], line["netMinor"]) for line in await story.lines(last)]
    assert rows == [("base", {"twelve": -300}, -200), ("support", {"twelve": -150}, -100)]
    assert [(line["code"], line["discounts"], line["netMinor"]) for line in previewed["lines"]] == rows
    document = await story.caller.get(f"/billing/invoices/{last['invoiceId']}/xml")
    assert document.status_code == 200, document.text
    assert check_xml(document.content) == []
