"""Mail by SMTP. It has no idempotency: what broke after the text was handed over is uncertain."""

import asyncio
import ssl

import aiosmtplib

from core.billing.notifications.channels.base import NotTaken, Outgoing, Refused, Uncertain, as_mail
from core.foundation.settings import Settings

_SECONDS = 30


class SmtpChannel:
    """Mails through the server of SMTP_HOST."""

    name = "smtp"

    def __init__(self, settings: Settings) -> None:
        assert settings.smtp_host is not None
        assert settings.email_from is not None
        self._settings = settings
        self._host = settings.smtp_host
        self._sender = settings.email_from

    async def send(self, outgoing: Outgoing) -> str | None:
        """One connection a mail: enters, hands over, leaves."""
        mail = as_mail(outgoing, sender=self._sender)
        client = self._client()
        try:
            await self._enter(client)
            await client.mail(self._sender)
            await client.rcpt(outgoing.to)
        except (aiosmtplib.SMTPRecipientRefused, aiosmtplib.SMTPSenderRefused) as error:
            client.close()
            raise _answered(error) from None
        except aiosmtplib.SMTPAuthenticationError as error:
            client.close()
            raise NotTaken(f"the mail server refuses SMTP_USER ({error.code})") from None
        except (aiosmtplib.SMTPException, OSError, ssl.SSLError, TimeoutError) as error:
            client.close()
            raise NotTaken(f"the mail server cannot be used: {_word(error)}") from None
        try:
            # From here on a broken line leaves open whether the server has it.
            await client.data(mail.as_bytes(policy=mail.policy.clone(linesep="\r\n")))
        except aiosmtplib.SMTPDataError as error:
            client.close()
            raise _answered(error) from None
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            client.close()
            raise Uncertain(f"the mail server did not answer the text: {_word(error)}") from None
        except asyncio.CancelledError:
            client.close()
            raise
        try:
            await client.quit()
        except (aiosmtplib.SMTPException, OSError, TimeoutError):
            client.close()
        return mail["Message-ID"]

    def _client(self) -> aiosmtplib.SMTP:
        security = self._settings.smtp_security
        authority = self._settings.smtp_tls_ca
        return aiosmtplib.SMTP(
            hostname=self._host,
            port=self._settings.smtp_port,
            use_tls=security == "tls",
            start_tls=security == "starttls",
            tls_context=ssl.create_default_context(cafile=authority) if authority else None,
            timeout=_SECONDS,
        )

    async def _enter(self, client: aiosmtplib.SMTP) -> None:
        await client.connect()
        user, password = self._settings.smtp_user, self._settings.smtp_password
        if user and password:
            await client.login(user, password.get_secret_value())
        await client.ehlo()


def _answered(error: aiosmtplib.SMTPResponseException) -> NotTaken | Refused:
    # 4yz: later; 5yz: never. The server's words may hold the address, so they are not kept.
    kind = NotTaken if 400 <= error.code < 500 else Refused
    return kind(f"the mail server answers {error.code}")


def _word(error: BaseException) -> str:
    return type(error).__name__
