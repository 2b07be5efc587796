"""What coupons refuse.

NotFound  └── CouponNotFound          404 coupon_not_found
Conflict  ├── CouponExpired           409 coupon_expired
          ├── CouponUsedUp            409 coupon_used_up
          ├── CouponNotForThis        409 coupon_not_for_this
          ├── CouponOtherCurrency     409 coupon_other_currency
          └── CouponInUse             409 coupon_in_use
InvalidInput └── CouponInvalid        422 coupon_invalid
"""

from datetime import datetime

from core.foundation.errors import Conflict, InvalidInput, NotFound


class CouponNotFound(NotFound):
    """The tenant has no such coupon, or it is archived."""

    code = "coupon_not_found"
    title = "No such coupon"

    def __init__(self, coupon: str) -> None:
        super().__init__(f"There is no coupon {coupon!r}. GET /billing/coupons lists those there are.")


class CouponExpired(Conflict):
    """Its last day is over."""

    code = "coupon_expired"
    title = "The coupon can no longer be redeemed"

    def __init__(self, coupon: str, redeem_by: datetime) -> None:
        super().__init__(f"The coupon {coupon!r} could be redeemed until {redeem_by.isoformat()}.")


class CouponUsedUp(Conflict):
    """It was redeemed as often as it may be."""

    code = "coupon_used_up"
    title = "The coupon is used up"

    def __init__(self, coupon: str, max_redemptions: int) -> None:
        super().__init__(f"The coupon {coupon!r} was redeemed {max_redemptions} times, which is all it may be.")


class CouponNotForThis(Conflict):
    """It is restricted to other plans or products."""

    code = "coupon_not_for_this"
    title = "The coupon is not for this plan"

    def __init__(self, coupon: str) -> None:
        super().__init__(f"The coupon {coupon!r} is for other plans or products.")


class CouponOtherCurrency(Conflict):
    """It takes an amount off that is of another currency."""

    code = "coupon_other_currency"
    title = "The coupon is in another currency"

    def __init__(self, coupon: str, currency: str) -> None:
        super().__init__(f"The coupon {coupon!r} takes off an amount in {currency}, and nothing converts.")


class CouponInUse(Conflict):
    """Somebody redeemed it: bills rest on it."""

    code = "coupon_in_use"
    title = "The coupon was redeemed"

    def __init__(self, coupon: str, redeemed: int) -> None:
        super().__init__(
            f"The coupon {coupon!r} was redeemed {redeemed} times, so it cannot be deleted. Archive it instead "
            f'(PATCH /billing/coupons/{coupon} {{"archived": true}}): nobody new redeems it, what was agreed stays.',
            redeemed=redeemed,
        )


class CouponInvalid(InvalidInput):
    """Terms that say nothing, or two things."""

    code = "coupon_invalid"
    title = "The coupon is not valid"
