"""The shop of the payments' tests."""

from tests.billing.payments.conftest import own_stripe, settings, shop

__all__ = ["own_stripe", "settings", "shop"]
