"""Pays an intent as a customer's browser would, with the provider's test cards: for checks and demos, never live."""

from enum import StrEnum

import httpx

from core.foundation.settings import Settings

STRIPE = "https://api.stripe.com"


class Card(StrEnum):
    """Test cards by what they do."""

    PAYS = "pm_card_visa"
    IS_DECLINED = "pm_card_chargeDeclined"


class NoTestKey(Exception):
    """Paying is not possible here; the text says why."""


class Payer:
    """Confirms intents at the provider, or at its simulator. Raises NoTestKey without a test key."""

    def __init__(self, settings: Settings, client: httpx.AsyncClient) -> None:
        if settings.stripe_secret_key is None:
            raise NoTestKey("no key: give the installation's test key as STRIPE_SECRET_KEY")
        key = settings.stripe_secret_key.get_secret_value()
        if settings.stripe_is_live or not key.startswith(("sk_test_", "rk_test_")):
            raise NoTestKey("STRIPE_SECRET_KEY is no test key, and this would be real money")
        self._address = settings.stripe_api_base or STRIPE
        self._key = key
        self._client = client

    async def pay(self, payment_intent_id: str, card: Card) -> bool:
        """Whether the card paid; raises httpx.HTTPStatusError when the provider refuses for another reason."""
        answer = await self._client.post(
            f"{self._address}/v1/payment_intents/{payment_intent_id}/confirm",
            data={"payment_method": card.value, "return_url": "https://example.com/paid"},
            headers={"Authorization": f"Bearer {self._key}"},
        )
        if answer.status_code == 402:
            return False
        answer.raise_for_status()
        return answer.json()["status"] == "succeeded"
