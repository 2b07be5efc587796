"""What a price may not be.

InvalidInput
└── PriceInvalid                422 price_invalid
    ├── PriceModelUnknown       422 price_model_unknown
    ├── PriceSchemaUnknown      422 price_schema_unknown
    ├── TiersUnordered          422 tiers_unordered
    ├── TiersOverlap            422 tiers_overlap
    ├── TiersGap                422 tiers_gap
    ├── TiersClosed             422 tiers_closed
    └── QuantityInvalid         422 quantity_invalid
"""

from core.foundation.errors import InvalidInput


class PriceInvalid(InvalidInput):
    """A definition that cannot be read, or that nobody can be charged by."""

    code = "price_invalid"
    title = "The price is not valid"


class PriceModelUnknown(PriceInvalid):
    """A model that does not exist."""

    code = "price_model_unknown"
    title = "There is no such price model"


class PriceSchemaUnknown(PriceInvalid):
    """A stored definition of a version that this program does not read."""

    code = "price_schema_unknown"
    title = "The definition's schema version is not known"


class TiersUnordered(PriceInvalid):
    """Tiers that are not listed from the first unit upwards."""

    code = "tiers_unordered"
    title = "The tiers are not in order"


class TiersOverlap(PriceInvalid):
    """A unit that two tiers price."""

    code = "tiers_overlap"
    title = "The tiers overlap"


class TiersGap(PriceInvalid):
    """A unit that no tier prices."""

    code = "tiers_gap"
    title = "The tiers leave a gap"


class TiersClosed(PriceInvalid):
    """A last tier that ends: a quantity above it would have no price."""

    code = "tiers_closed"
    title = "The last tier must be open"


class QuantityInvalid(PriceInvalid):
    """A quantity that cannot be priced."""

    code = "quantity_invalid"
    title = "The quantity is not valid"
