"""Reflex's settings. Addresses and keys come from the environment when the console starts."""

from __future__ import annotations

import reflex as rx

from console import theme


class OwnAddress(rx.plugins.Plugin):
    """Makes the built pages call the server they came from, whatever its address, instead of one fixed at build."""

    MARK = "const endpoint = new URL(url_str);"
    OWN = """const endpoint = new URL(url_str);
  if (typeof window !== "undefined") {
    const tls = window.location.protocol === "https:";
    const socket = endpoint.protocol.startsWith("ws");
    endpoint.protocol = (socket ? "ws" : "http") + (tls ? "s:" : ":");
    endpoint.hostname = window.location.hostname;
    endpoint.port = window.location.port;
    return endpoint;
  }"""

    def pre_compile(self, **context) -> None:
        """Change one function of Reflex's client."""
        context["add_modify_task"]("utils/state.js", self._own)

    def _own(self, source: str) -> str:
        if self.OWN in source:
            return source
        if source.count(self.MARK) != 1:
            raise RuntimeError("Reflex's state.js changed: look at getBackendURL and adapt console/rxconfig.py")
        return source.replace(self.MARK, self.OWN)


config = rx.Config(
    app_name="console",
    plugins=[OwnAddress(), rx.plugins.RadixThemesPlugin(theme=theme.RADIX)],
    disable_plugins=[rx.plugins.sitemap.SitemapPlugin],
    # What a tab shows is fetched anew whenever it connects, so nothing of it need outlive this process. In Redis its
    # locks outlived closed tabs instead: a quick reload waited for one to expire.
    state_manager_mode=rx.constants.StateManagerMode.MEMORY,
    telemetry_enabled=False,
    show_built_with_reflex=False,
)
