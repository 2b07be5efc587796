"""For addresses that lead nowhere."""

from __future__ import annotations

import reflex as rx

from console.components.notice import blank


@rx.page(route="404", title="Not found · CloudBill")
def not_found() -> rx.Component:
    """Say so, and lead back."""
    return rx.el.main(
        blank(
            "map-pin-off",
            "There is no page here",
            "The address may be mistyped, or the page has moved.",
            rx.el.a("To the start", href="/", class_name="button"),
        ),
        class_name="gate",
    )
