"""Where webhooks may go: to public addresses by HTTPS. Asked when an endpoint is saved, and at every call again.

A name may point elsewhere by the time of the call (DNS rebinding), so a call goes to an address that was just checked,
under the name's TLS; nothing is looked up in between. Redirects are not followed.
"""

import asyncio
import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

from core.billing.notifications.webhooks.errors import WebhookAddressRefused

_NAT64 = ip_network("64:ff9b::/96")
_UNICAST = ip_network("2000::/3")
"""All that is given out to the internet: not site-local, a network's own NAT64, translated or deprecated forms."""
_ISATAP = 0x00005EFE
"""The tunnel to the IPv4 address that follows (RFC 5214)."""
_RESERVED = (ip_network("192.0.0.0/24"), ip_network("192.88.99.0/24"), ip_network("3fff::/20"))
"""What some releases of Python count as global: protocol assignments, 6to4's former relays, documentation."""
_LOOKUP_SECONDS = 5


class AddressUnknown(Exception):
    """The name has no address now; it may have one later."""


@dataclass(frozen=True, slots=True)
class Target:
    """An address that a call goes to, and what it is known by."""

    scheme: str
    host: str
    port: int
    path: str
    address: str

    @property
    def url(self) -> str:
        """With the checked address in the place of the name."""
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{self.scheme}://{host}:{self.port}{self.path}"

    @property
    def authority(self) -> str:
        """The Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.scheme == "https" else 80) else f"{host}:{self.port}"


def check_form(url: str, *, private: bool) -> tuple[str, str, int, str]:
    """Scheme, host, port and path of an address that may be tried. Raises WebhookAddressRefused."""
    try:
        parts = urlsplit(url)
        port = parts.port
        host = (parts.hostname or "").rstrip(".")
        host.encode("idna")
    except (ValueError, UnicodeError):
        raise WebhookAddressRefused("It cannot be read as an address: https://host/path is one.") from None
    if parts.scheme not in (("https", "http") if private else ("https",)):
        raise WebhookAddressRefused("Only https:// addresses are called.")
    if not host or parts.username is not None or parts.password is not None or parts.fragment or not url.isascii():
        raise WebhookAddressRefused("Give an address such as https://example.com/hooks: a host, no user, no fragment.")
    if any(character <= " " or character == "\x7f" or character == "\\" for character in url):
        raise WebhookAddressRefused("The address must not hold spaces, backslashes or control characters.")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return parts.scheme, host, port or (443 if parts.scheme == "https" else 80), path


async def locate(url: str, *, private: bool) -> Target:
    """The address to call now. Raises WebhookAddressRefused where any of the name's addresses is not public, and
    AddressUnknown where it has none.
    """
    scheme, host, port, path = check_form(url, private=private)
    try:
        found = await asyncio.wait_for(
            asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP),
            _LOOKUP_SECONDS,
        )
    except (OSError, UnicodeError, TimeoutError):
        raise AddressUnknown(f"{host} has no address") from None
    addresses = [ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
    if not addresses:
        raise AddressUnknown(f"{host} has no address")
    if not private and not all(is_public(address) for address in addresses):
        raise WebhookAddressRefused(
            "The address belongs to this machine or to a private, link-local or reserved network; only public ones are "
            "called."
        )
    return Target(scheme, host, port, path, str(addresses[0]))


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether anybody on the internet could mean it; an IPv4 address inside an IPv6 one counts as itself."""
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if inner is None and address in _NAT64:
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
        if address not in _UNICAST or int(address) >> 32 & 0xFDFFFFFF == _ISATAP:
            return False
    return address.is_global and not address.is_multicast and not any(address in network for network in _RESERVED)
