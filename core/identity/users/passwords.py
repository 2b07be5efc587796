"""Passwords: which are accepted, and how they are kept.

Kept as bcrypt (cost 12) of an HMAC-SHA-256 of the text, not of the text itself. bcrypt reads 72 bytes and no NUL, so a
longer password would be cut or refused; its digest has 44 characters, so every password counts in full. The fixed HMAC
key only separates these digests from plain SHA-256: digests leaked elsewhere cannot be tried here without the password.
"""

import asyncio
import base64
import hmac
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

import bcrypt
from zxcvbn import zxcvbn
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from core.foundation.errors import Unavailable
from core.identity.errors import PasswordRefused

COST = 12
SHORTEST, LONGEST = 8, 1024
_SEPARATION = b"cloudbill.password.1"
_LEAST_GUESSES = 30_000
"""By zxcvbn's estimate: `Test123!` (36,000) is accepted, `Password1!` (18,000) and `qwerty123!` (15,000) are not."""
_MOST_WAITING = 128
_NOBODY = "$2b$12$fCNmSCWLM3gu/EAcj5SSOO1l26bAdLJ943MKhwWlIIulwgszvqpqq"
"""The hash of something random, of the same cost, checked where there is no user."""

Answer = TypeVar("Answer")

_threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="bcrypt")
_waiting = 0


def check_password(password: str, *, about: tuple[str, ...] = ()) -> None:
    """Raises PasswordRefused for one that is short, known from breaches or easily guessed; `about` is its owner's."""
    if len(password) < SHORTEST:
        raise PasswordRefused(f"must have at least {SHORTEST} characters")
    if len(password) > LONGEST:
        raise PasswordRefused(f"must have at most {LONGEST} characters")
    folded = password.casefold()
    if folded in _breached():
        raise PasswordRefused("is among the most common passwords of known breaches; choose another")
    if len(set(folded)) < 4:
        raise PasswordRefused("repeats too few characters; choose another")
    if any(part in folded and len(folded) - len(part) < 4 for text in about for part in _parts(text)):
        raise PasswordRefused("is made of your e-mail or tenant name; choose another")
    if zxcvbn(password[:72])["guesses"] < _LEAST_GUESSES:
        raise PasswordRefused("is too easily guessed; make it longer or less regular")


async def hash_password(password: str) -> str:
    """The bcrypt hash to keep; computed in a thread (about a quarter of a second)."""
    return (await _in_thread(bcrypt.hashpw, _digest(password), bcrypt.gensalt(COST))).decode()


async def verify_password(password: str, password_hash: str | None) -> bool:
    """Whether the password fits; without a hash (no such user) the same work is done for nothing."""
    kept = (password_hash or _NOBODY).encode()
    return await _in_thread(bcrypt.checkpw, _digest(password), kept) and password_hash is not None


def is_outdated(password_hash: str) -> bool:
    """Whether it was made at a lower cost than today's."""
    return int(password_hash.split("$")[2]) < COST


def hash_password_now(password: str) -> str:
    """The same, for commands that have no loop to keep free."""
    return bcrypt.hashpw(_digest(password), bcrypt.gensalt(COST)).decode()


async def _in_thread(work: Callable[[bytes, bytes], Answer], password: bytes, other: bytes) -> Answer:
    global _waiting
    if _waiting >= _MOST_WAITING:
        raise Unavailable("Too many sign-ins at the same time. Try again in a moment.")
    _waiting += 1
    try:
        return await asyncio.get_running_loop().run_in_executor(_threads, work, password, other)
    finally:
        _waiting -= 1


def _digest(password: str) -> bytes:
    text = unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
    return base64.b64encode(hmac.digest(_SEPARATION, text, "sha256"))


@cache
def _breached() -> frozenset[str]:
    return frozenset(FREQUENCY_LISTS["passwords"])


def _parts(text: str) -> list[str]:
    folded = text.casefold()
    return [part for part in (folded, folded.partition("@")[0]) if len(part) >= SHORTEST - 2]
