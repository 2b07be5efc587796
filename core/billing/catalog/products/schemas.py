"""Products, as they are made and shown."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from core.billing.catalog.schemas import Code, Flag
from core.foundation.schemas import Answer, Body, Instant, Name, StrictBoolean, Text

Description = Annotated[Text, Field(max_length=1000)]


class NewProduct(Body):
    """A product of the tenant's own. `taxCode` names the rates that its plans bear (`code` of a tax rate), without it
    the standard ones; goods are taxed otherwise than services where they are sold abroad. Neither ever changes."""

    code: Code
    name: Name
    description: Description | None = None
    tax_code: Code | None = None
    is_goods: StrictBoolean = False


class ProductChange(Body):
    """What of a product may be changed; an empty description is none."""

    name: Name | None = None
    description: Description | None = None
    archived: Flag | None = None


class ProductAnswer(Answer):
    """A product; one of the installation's is everybody's to see."""

    product_id: UUID
    code: str
    name: str
    description: str | None
    tax_code: str | None
    is_goods: bool
    created_at: Instant
    archived_at: Instant | None
    owner: Literal["tenant", "installation"]
    replayed: bool = False
