"""Tenants that bill, as the tests of invoices have them."""

from tests.billing.invoices.conftest import open_shop, shop

__all__ = ["open_shop", "shop"]
