"""A cursor comes back as it was given, and what we did not make is refused."""

import base64

import pytest

from core.foundation.errors import InvalidInput
from core.foundation.paging import decode_cursor, encode_cursor


def test_a_cursor_comes_back_as_it_was_given() -> None:
    assert decode_cursor(encode_cursor(-5, "é/ü"), int, str) == [-5, "é/ü"]
    assert decode_cursor(None, int) is None


@pytest.mark.parametrize(
    "content", [b'["a"]', b"[1, 2]", b"[true]", b"[1.5]", b"{}", b"1", b"[9223372036854775808]", b"[", b"\xff"]
)
def test_what_we_did_not_make_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidInput):
        decode_cursor(base64.urlsafe_b64encode(content).decode(), int)


@pytest.mark.parametrize("word", ["x", "é", "%00", "a" * 499, ""])
def test_any_word_is_refused_and_never_fails(word: str) -> None:
    with pytest.raises(InvalidInput):
        decode_cursor(word, int)
