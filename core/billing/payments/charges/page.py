"""The page behind a payment link: plain HTML, no script, light and dark."""

from base64 import b64encode
from hashlib import sha256
from html import escape
from string import Template

from core.billing.payments.charges.paying import Owed
from core.foundation.money import minor_digits, minor_to_units

_STYLE = (
    ":root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}"
    "body{max-width:26rem;margin:12vh auto;padding:0 1rem}"
    "h1{font-size:1.1rem;margin:0}.sum{font-size:2.2rem;font-weight:600;margin:.2rem 0 1rem}"
    "form{margin:.6rem 0}button{font:inherit;width:100%;padding:.7rem;border-radius:.5rem;border:1px solid;"
    "background:Canvas;color:CanvasText;cursor:pointer}button.first{background:CanvasText;color:Canvas}"
    ".note{border-left:.25rem solid currentColor;padding-left:.75rem}small{opacity:.75}"
)
_STYLE_HASH = b64encode(sha256(_STYLE.encode()).digest()).decode()
HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
}
_PAGE = Template(
    "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
    f"<title>$title</title><style>{_STYLE}</style><main>$content</main></html>"
)
_STATES = {
    "paid": "This invoice is paid. There is nothing left for you to do.",
    "void": "This invoice was taken back. Nothing is owed on it.",
    "draft": "This invoice is not final yet. Nothing can be paid on it now.",
}


def render(owed: Owed, *, note: str | None = None) -> str:
    """What is owed, and the two things that can be done about it."""
    invoice = owed.invoice
    head = f"<h1>{escape(owed.seller)}</h1><p>{escape(invoice.number or 'Invoice')}</p>"
    if invoice.state not in ("open", "uncollectible"):
        return _page(f"{owed.seller}: {invoice.state}", head + f"<p class=note>{_STATES[invoice.state]}</p>")
    amount = _amount(invoice.open_minor, invoice.currency)
    head += f"<p class=sum>{amount}</p>"
    if note is None and owed.last is not None and owed.last.state == "failed":
        note = "The last try to charge your card was refused. Pay again, or use another card."
    if note is not None:
        head += f"<p class=note role=status>{escape(note)}</p>"
    if owed.method is not None:
        card = f"{escape(owed.method.brand.capitalize())} ending in {escape(owed.method.last4)}"
        head += f"<form method=post action='?do=pay'><button class=first>Pay {amount} with {card}</button></form>"
    another = "another card" if owed.method is not None else "a card"
    head += f"<form method=post action='?do=card'><button>Save {another}</button></form>"
    if owed.is_test:
        head += "<p><small>This is a test: no money moves.</small></p>"
    return _page(f"Pay {amount} to {owed.seller}", head)


def _page(title: str, content: str) -> str:
    return _PAGE.substitute(title=escape(title), content=content)


def _amount(amount_minor: int, currency: str) -> str:
    return f"{minor_to_units(amount_minor, currency):.{minor_digits(currency)}f} {escape(currency)}"
