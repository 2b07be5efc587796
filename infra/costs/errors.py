"""What can be wrong with an estimate."""


class CostError(Exception):
    """The estimate cannot be made; the text says why and what to do."""

    code = "cost_failed"


class UnknownRegion(CostError):
    """There are no prices of this region."""

    code = "no_prices_for_region"


class UnknownPrice(CostError):
    """A resource of this kind or size has no price in the snapshot."""

    code = "no_price"


class UnknownResource(CostError):
    """A resource's type is neither priced nor known to be free."""

    code = "unknown_resource"


class InvalidPrices(CostError):
    """A price snapshot cannot be read."""

    code = "invalid_prices"


class InvalidUsage(CostError):
    """A usage profile cannot be read; the text names the key or the line."""

    code = "invalid_usage"


class InvalidExport(CostError):
    """A billing export cannot be read; the text names the line and what is expected there."""

    code = "invalid_export"


class UnusableExport(CostError):
    """A billing export can be read but not compared: another currency, another account, another month."""

    code = "unusable_export"


class RefreshRefused(CostError):
    """A cloud's answer about prices is incomplete or not understood; no snapshot is changed."""

    code = "refresh_refused"
