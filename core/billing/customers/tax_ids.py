"""Numbers that tax offices give out: their form and check digits, by the rules that python-stdnum knows. Pure.

Whether a number is registered is the office's to say (VIES in the Union), and is not asked here.
"""

import re

from stdnum import get_cc_module  # pyright: ignore[reportUnknownVariableType]  (says no types)
from stdnum.exceptions import ValidationError

from core.billing.customers.errors import TaxIdInvalid
from core.foundation.countries import EU

_GREEK = {"EL": "GR"}
_ELSEWHERE = re.compile(r"[A-Z0-9][A-Z0-9./ -]{2,28}[A-Z0-9]")
_MEANS = ("vat", "tin", "ein", "abn", "gst")
"""Modules of python-stdnum that are about the tax number of a business, in the order they are looked for."""


def country_of(tax_id: str) -> str | None:
    """The country whose office gave a VAT number out, by its prefix; None where it has none that says so."""
    prefix = _GREEK.get(tax_id[:2], tax_id[:2])
    return prefix if prefix in EU or prefix in ("XI", "GB") else None


def is_vat_id(tax_id: str | None) -> bool:
    """Whether it is a VAT number of a member of the Union (or of Northern Ireland), which shifts the tax's burden."""
    return tax_id is not None and country_of(tax_id) not in (None, "GB")


def check_tax_id(text: str, *, country: str | None, field: str = "taxId") -> str:
    """The number in its one spelling. Raises TaxIdInvalid.

    A number with the prefix of a member of the Union is held to that member's rules; any other to those of `country`
    where they are known, and to a plain form where they are not.
    """
    number = re.sub(r"[\s.\-/]", "", text).upper()
    owner = country_of(number)
    if owner is not None:
        return _checked(number, owner, kind="vat", field=field, prefix=number[:2])
    if country is not None and country in EU:
        # Within the Union the prefix is part of the number; without it nobody could tell whose it is.
        prefix = "EL" if country == "GR" else country
        return _checked(prefix + number, country, kind="vat", field=field, prefix=prefix)
    for kind in _MEANS if country else ():
        if country and get_cc_module(country.lower(), kind) is not None:
            return _checked(number, country, kind=kind, field=field, prefix="")
    if not _ELSEWHERE.fullmatch(text.strip().upper()):
        raise TaxIdInvalid(field, "must be 4 to 30 letters, digits, points, slashes or hyphens")
    return text.strip().upper()


def _checked(number: str, country: str, *, kind: str, field: str, prefix: str) -> str:
    module = get_cc_module("gb" if country == "XI" else country.lower(), kind)
    if module is None:
        raise TaxIdInvalid(field, f"is of {country}, whose numbers are not known here")
    try:
        compact = str(module.validate(number.removeprefix(prefix)))
    except ValidationError as error:
        raise TaxIdInvalid(
            field, f"{number[:20]!r} is none that {country} gives out ({_why(error)}); check for a typing error"
        ) from None
    return compact if compact.startswith(prefix) else prefix + compact


def _why(error: ValidationError) -> str:
    return str(error).rstrip(".").lower()
