"""CloudBill's billing core: identity, billing and operations on one foundation."""
