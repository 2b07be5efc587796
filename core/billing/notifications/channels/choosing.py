"""Which way a message goes out: the installation's settings say so, and test tenants write to nobody."""

from core.billing.notifications.channels.base import Channel
from core.billing.notifications.channels.ses import SesChannel
from core.billing.notifications.channels.smtp import SmtpChannel
from core.billing.notifications.channels.twilio import TwilioChannel
from core.foundation.settings import Settings

MAILBOX = "mailbox"


def choose(settings: Settings, channel: str, *, is_test: bool) -> Channel | None:
    """None: it stays in the mailbox."""
    if is_test:
        return None
    if channel == "sms":
        return TwilioChannel(settings) if settings.twilio_account_sid else None
    match settings.email_provider:
        case "smtp":
            return SmtpChannel(settings)
        case "ses":
            return SesChannel(settings)
        case "mailbox":
            return None
