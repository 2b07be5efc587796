"""The Reflex app: its look, its door's routes, its pages."""

from __future__ import annotations

import reflex as rx
from starlette.applications import Starlette

from console import door, pages, theme
from console.components.shell import connecting
from console.viewer import ForgetOthers, log_unforeseen

app = rx.App(
    stylesheets=theme.STYLESHEETS,
    head_components=theme.HEAD,
    html_lang="en",
    api_transformer=Starlette(routes=door.routes),
    backend_exception_handler=log_unforeseen,
    hydrate_fallback=connecting,
    toaster=None,  # its messages run through eval, which the content security policy refuses
)
app.app_wraps.pop((5, "Overlay"), None)  # its toasts speak of web sockets; the shell says the same in words
app.add_middleware(ForgetOthers(), 0)

__all__ = ["app", "pages"]
