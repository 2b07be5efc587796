"""Price books as they are shown."""

from core.foundation.schemas import Answer, Instant


class ModelPriceAnswer(Answer):
    """Unit prices as decimal strings, in units of the currency per million tokens."""

    model: str
    input_per_million: str
    cached_per_million: str
    output_per_million: str


class PriceBookAnswer(Answer):
    """A version of a price list. `owner`: whose it is; a tenant's own goes before the installation's."""

    version: int
    currency: str
    effective_from: Instant
    source: str
    owner: str
    prices: list[ModelPriceAnswer]
