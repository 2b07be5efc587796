"""What every way out takes, gives and raises."""

from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime, formataddr
from typing import Protocol

from core.foundation.clock import wall_now


class NotTaken(Exception):
    """It surely did not go out; a later attempt may work. The text is shown to the tenant: no address in it."""


class Refused(Exception):
    """It surely did not go out, and never will as it is."""


class Uncertain(Exception):
    """It may have gone out: the answer was lost on the way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A text for one address, rendered. `reference` is our message's id, the same at every attempt."""

    reference: str
    to: str
    sender_name: str
    subject: str
    body: str
    reply_to: str | None = None
    unsubscribe: str | None = None


class Channel(Protocol):
    """One way out."""

    name: str

    async def send(self, outgoing: Outgoing) -> str | None:
        """The provider's own id for it. Raises NotTaken, Refused, Uncertain."""
        ...


def as_mail(outgoing: Outgoing, *, sender: str) -> EmailMessage:
    """The mail as it is sent: `Message-ID` is ours and the same at every attempt, so that copies can be recognized."""
    mail = EmailMessage()
    mail["From"] = formataddr((_plain(outgoing.sender_name), sender))
    mail["To"] = outgoing.to
    mail["Subject"] = outgoing.subject
    mail["Date"] = format_datetime(wall_now())
    mail["Message-ID"] = f"<{outgoing.reference}@{sender.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    if outgoing.reply_to:
        mail["Reply-To"] = outgoing.reply_to
    if outgoing.unsubscribe:
        mail["List-Unsubscribe"] = f"<{outgoing.unsubscribe}>"
        mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    mail.set_content(outgoing.body)
    return mail


def _plain(name: str) -> str:
    return " ".join(name.split())
