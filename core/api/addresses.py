"""The caller's address. X-Forwarded-For is believed only as far as TRUSTED_PROXIES wrote it."""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from core.foundation.settings import SettingsInvalid

UNKNOWN = "unknown"


class Addresses:
    """Finds the address of a caller behind the proxies of the settings (addresses or networks)."""

    def __init__(self, trusted_proxies: Sequence[str]) -> None:
        self._trusted = [_network(text) for text in trusted_proxies]

    def of(self, peer: str | None, forwarded: bytes | None) -> str:
        """The nearest address that no trusted proxy has; what stands before it anybody may have written."""
        if peer is None:
            peer = UNKNOWN
        if forwarded is None or not self._trusted or not self._trusts(peer):
            return peer
        nearest = peer
        for text in reversed(forwarded.decode("latin-1").split(",")):
            address = _plain(text.strip())
            if address is None:
                return nearest
            nearest = address
            if not self._trusts(address):
                return nearest
        return nearest

    def _trusts(self, address: str) -> bool:
        plain = _plain(address)
        return plain is not None and any(ip_address(plain) in network for network in self._trusted)


@lru_cache(maxsize=10_000)
def for_limits(address: str) -> str:
    """What counts as one caller: an IPv4 address, or an IPv6 /64, since one subscriber has all of it."""
    plain = _plain(address)
    if plain is None:
        return UNKNOWN
    parsed = ip_address(plain)
    return str(ip_network((parsed, 64), strict=False)) if isinstance(parsed, IPv6Address) else plain


@lru_cache(maxsize=10_000)
def _plain(text: str) -> str | None:
    try:
        parsed = ip_address(text.strip("[]"))
    except ValueError:
        return None
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(parsed)


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        raise SettingsInvalid("TRUSTED_PROXIES must be a comma-separated list of addresses or networks") from None
