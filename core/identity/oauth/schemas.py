"""Ways to sign in, and the accounts a user is linked with."""

from typing import Annotated

from pydantic import Field

from core.foundation.schemas import Answer, Body, Instant


class ProviderAnswer(Answer):
    """Send the browser to `startUrl`, with `returnTo` where it is to come back to."""

    provider: str
    name: str
    start_url: str


class ProvidersAnswer(Answer):
    """None, where the installation knows passwords only."""

    data: list[ProviderAnswer]


class IdentityAnswer(Answer):
    """An account elsewhere that signs the user in."""

    provider: str
    name: str
    created_at: Instant


class IdentitiesAnswer(Answer):
    """By provider."""

    data: list[IdentityAnswer]


class Claim(Body):
    """What came back in the address after `purpose=link`; it holds for five minutes."""

    claim: Annotated[str, Field(min_length=1, max_length=2000)]
