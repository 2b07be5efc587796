"""How the console looks: Radix Themes for menus and dialogs, our own sheet for everything else."""

from __future__ import annotations

import reflex as rx

RADIX = rx.theme(accent_color="teal", gray_color="sage", radius="medium", has_background=False)
STYLESHEETS = ["/console.css"]
HEAD = [
    rx.el.link(rel="icon", href="/favicon.svg", type="image/svg+xml"),
    rx.el.meta(name="theme-color", content="#f4f5f1", custom_attrs={"media": "(prefers-color-scheme: light)"}),
    rx.el.meta(name="theme-color", content="#0e1413", custom_attrs={"media": "(prefers-color-scheme: dark)"}),
    rx.el.meta(name="color-scheme", content="light dark"),
    rx.el.link(
        rel="preload",
        href="/plex-sans-latin.woff2",
        custom_attrs={"as": "font", "type": "font/woff2", "crossOrigin": ""},
    ),
]
