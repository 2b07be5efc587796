"""Passwords: which are accepted, and that every character of them counts."""

from pathlib import Path

import pytest

from core.identity.errors import PasswordRefused
from core.identity.users import passwords
from core.identity.users.passwords import check_password, hash_password, is_outdated, verify_password


@pytest.mark.parametrize(
    "password", ["Test123!", "correct horse battery", "naïve-Straße-9", "密码很长而且很难猜测", "x9$kQ2!z"]
)
def test_accepted(password: str) -> None:
    check_password(password, about=("test@example.com", "test-tenant"))


@pytest.mark.parametrize(
    "password",
    [
        "short1!",
        "password",
        "PASSWORD1",
        "Password1!",
        "12345678",
        "qwertyuiop",
        "qwerty123!",
        "aaaaaaaaaaaa",
        "abababababab",
        "abcdefgh",
        "letmein1",
        "iloveyou",
        "P@ssw0rd",
        "test-tenant",
        "test-tenant1!",
        "ada.lovelace",
        "x" * 1025,
    ],
)
def test_refused(password: str) -> None:
    with pytest.raises(PasswordRefused) as refused:
        check_password(password, about=("ada.lovelace@example.com", "test-tenant"))
    assert refused.value.code == "password_refused"


async def test_kept_as_bcrypt_of_cost_twelve_and_salted(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Path(passwords.__file__).read_text()
    assert "\nCOST = 12\n" in source  # the suite lowers it for speed
    monkeypatch.setattr(passwords, "COST", 12)
    first, second = await hash_password("Test123!"), await hash_password("Test123!")
    assert first.startswith("$2b$12$")
    assert first != second
    assert not is_outdated(first)
    assert is_outdated("$2b$10$" + first[7:])
    assert await verify_password("Test123!", first)
    assert not await verify_password("Test123?", first)
    assert not await verify_password("Test123!", None)


async def test_what_lies_beyond_72_bytes_counts_and_so_does_what_follows_a_nul() -> None:
    kept = await hash_password("p" * 72 + "one")
    assert not await verify_password("p" * 72 + "two", kept)
    kept = await hash_password("abc\x00defgh")
    assert not await verify_password("abc\x00other", kept)


async def test_two_ways_to_write_one_character_are_one_password() -> None:
    kept = await hash_password("caf\u00e9-password")
    assert await verify_password("cafe\u0301-password", kept)
