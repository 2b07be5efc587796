"""Mail by Amazon SES (API v2). It knows no idempotency key, so botocore's own retries are off: each could be a copy."""

import asyncio
import importlib
from typing import Any

from core.billing.notifications.channels.base import NotTaken, Outgoing, Refused, Uncertain, as_mail
from core.foundation.settings import Settings

_NEVER = {"MessageRejected", "BadRequestException", "ValidationException"}


class SesChannel:
    """Mails through SES in AWS_SES_REGION."""

    name = "ses"

    def __init__(self, settings: Settings) -> None:
        assert settings.email_from is not None
        self._sender = settings.email_from
        self._region = settings.aws_ses_region
        self._client: Any = None

    async def send(self, outgoing: Outgoing) -> str | None:
        """One call; SES answers with its MessageId."""
        raw = bytes(as_mail(outgoing, sender=self._sender))
        return await asyncio.to_thread(self._send, raw, outgoing)

    def _send(self, raw: bytes, outgoing: Outgoing) -> str | None:
        failures: Any = _botocore()
        try:
            if self._client is None:
                self._client = _client(self._region)
            answer = self._client.send_email(
                FromEmailAddress=self._sender,
                Destination={"ToAddresses": [outgoing.to]},
                Content={"Raw": {"Data": raw}},
            )
        except failures.ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
            if status >= 500:
                raise Uncertain(f"SES answers {status} {code}") from None
            raise (Refused if code in _NEVER else NotTaken)(f"SES answers {code}") from None
        except (failures.EndpointConnectionError, failures.ConnectTimeoutError, failures.ProxyConnectionError) as error:
            raise NotTaken(f"SES cannot be reached: {type(error).__name__}") from None
        except (failures.ReadTimeoutError, failures.ConnectionClosedError, failures.HTTPClientError) as error:
            raise Uncertain(f"SES did not answer: {type(error).__name__}") from None
        except failures.BotoCoreError as error:
            raise NotTaken(f"SES cannot be asked here: {type(error).__name__}") from None
        return answer["MessageId"]


def _botocore() -> Any:
    try:
        return importlib.import_module("botocore.exceptions")
    except ImportError:
        raise NotTaken("EMAIL_PROVIDER=ses needs boto3: install cloudbill[clouds]") from None


def _client(region: str | None) -> Any:
    boto3: Any = importlib.import_module("boto3")
    config: Any = importlib.import_module("botocore.config")
    return boto3.client(
        "sesv2",
        region_name=region,
        config=config.Config(retries={"total_max_attempts": 1}, connect_timeout=10, read_timeout=30),
    )
