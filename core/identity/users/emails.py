"""E-mail addresses: one spelling each, so that nobody is two users."""

import unicodedata
from typing import Annotated

from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, Field


def fold_email(text: str) -> str:
    """The one spelling of an address; raises ValueError. Nothing is asked of the network."""
    try:
        # `test_environment` only allows the reserved top level .test; deliverability is shown by an answered mail.
        parsed = validate_email(text.strip(), check_deliverability=False, test_environment=True)
    except EmailNotValidError as error:
        raise ValueError(f"must be an e-mail address: {error}") from None
    return unicodedata.normalize("NFC", parsed.normalized).lower()


Email = Annotated[str, Field(max_length=254, examples=["ada@example.com"]), AfterValidator(fold_email)]
