"""Lists that turn pages: by a cursor of the API's, kept on the page or in its address."""

from __future__ import annotations

from urllib.parse import urlencode

import reflex as rx

from console.viewer import PageState

NEWEST = "-createdAt"


class Paged(PageState, mixin=True):
    """A list that is turned on the page. Its state has an event `turn`, which fetches the page at hand."""

    cursors: list[str] = [""]
    next_cursor: str = ""

    @rx.event
    def following(self):
        """Turn the page."""
        if self.next_cursor not in self.cursors:  # a second click before the page has turned
            self.cursors = [*self.cursors, self.next_cursor]
        return type(self).turn

    @rx.event
    def previous(self):
        """Turn it back."""
        self.cursors = self.cursors[:-1] or [""]
        return type(self).turn


class Addressed(PageState, mixin=True):
    """A list whose search, order, filters and page stand in its address, so that it can be kept, sent and gone back to.

    `given` counts the searches that were not typed: the field shows them anew. `load` calls `read_address`; `_by` is
    the order where the address names none.
    """

    search: str = ""
    given: int = 0
    order: str = ""
    chosen: dict[str, str] = {}
    cursors: list[str] = [""]
    next_cursor: str = ""
    _path: str = ""
    _by: str = ""

    @rx.event
    def find(self, text: str):
        """Search from the first page on; somebody who has gone on meanwhile is not called back."""
        self.search = text.strip()
        return self._go([""], replace=True) if self.router.url.path.rstrip("/") == self._path else None

    @rx.event
    def sort(self, order: str):
        """Sort from the first page on."""
        self.order = order
        return self._go([""])

    @rx.event
    def choose(self, name: str, value: str):
        """Filter from the first page on."""
        self.chosen = {**self.chosen, name: value}
        return self._go([""])

    @rx.event
    def following(self):
        """Turn the page."""
        self.read_address()
        if self.next_cursor not in self.cursors:  # a second click before the page has turned
            return self._go([*self.cursors, self.next_cursor])

    @rx.event
    def previous(self):
        """Turn it back."""
        self.read_address()
        return self._go(self.cursors[:-1] or [""])

    def read_address(self) -> None:
        """Take over what the address asks for."""
        asked = dict(self.router.url.query_parameters)
        self._path = self.router.url.path.rstrip("/")
        if (search := asked.pop("search", "")) != self.search:
            self.search, self.given = search, self.given + 1
        self.order = asked.pop("sort", self._by)
        self.cursors = ["", *filter(None, asked.pop("after", "").split(","))]
        self.chosen = asked

    def asked(self) -> dict[str, str]:
        """As the API's list takes it, but for the page."""
        return {**self.chosen, "search": self.search, "sort": self.order}

    def _go(self, cursors: list[str], *, replace: bool = False):
        wanted = {**self.asked(), "after": ",".join(cursors[1:])}
        if self.order == self._by:
            del wanted["sort"]
        query = urlencode({name: value for name, value in wanted.items() if value}, safe=",")
        return rx.redirect(f"{self._path}?{query}" if query else self._path, replace=replace)
