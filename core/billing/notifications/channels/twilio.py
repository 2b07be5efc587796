"""SMS by Twilio's REST API. Sending has no idempotency key: an answer that was lost leaves it uncertain."""

from typing import Any, cast

import httpx

from core.billing.notifications.channels.base import NotTaken, Outgoing, Refused, Uncertain
from core.foundation.settings import Settings

_SECONDS = 15


class TwilioChannel:
    """SMS through the account of TWILIO_ACCOUNT_SID."""

    name = "twilio"

    def __init__(self, settings: Settings) -> None:
        assert settings.twilio_account_sid is not None
        assert settings.twilio_auth_token is not None
        assert settings.twilio_phone_number is not None
        self._address = f"{settings.twilio_api_base}/2010-04-01/Accounts/{settings.twilio_account_sid}/Messages.json"
        self._auth = httpx.BasicAuth(settings.twilio_account_sid, settings.twilio_auth_token.get_secret_value())
        self._sender = settings.twilio_phone_number

    async def send(self, outgoing: Outgoing) -> str | None:
        """One POST; Twilio answers with the message's sid."""
        form = {"To": outgoing.to, "From": self._sender, "Body": outgoing.body}
        try:
            async with httpx.AsyncClient(timeout=_SECONDS) as client:
                answer = await client.post(self._address, data=form, auth=self._auth)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise NotTaken(f"Twilio cannot be reached: {type(error).__name__}") from None
        except httpx.HTTPError as error:
            raise Uncertain(f"Twilio did not answer: {type(error).__name__}") from None
        if answer.status_code == 201:
            return str(_body(answer).get("sid") or "") or None
        code = _body(answer).get("code")
        words = f"Twilio answers {answer.status_code}" + (f", error {code}" if code else "")
        if answer.status_code == 429 or answer.status_code in (401, 403, 404):
            raise NotTaken(words)  # busy, or the account's settings: mended without a new text
        if answer.status_code >= 500:
            raise Uncertain(words)
        raise Refused(words)


def _body(answer: httpx.Response) -> dict[str, Any]:
    try:
        body: Any = answer.json()
    except ValueError:
        return {}
    return cast("dict[str, Any]", body) if isinstance(body, dict) else {}
