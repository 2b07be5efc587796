"""How Google's client reaches it: each request on a connection of its own, and sent once.

httplib2 sends a request again by itself when the connection closes before the answer, whatever that does.
"""

import importlib
from typing import Any


def transport(credentials: Any) -> Any:
    """What signs requests and sends them."""
    httplib2: Any = importlib.import_module("httplib2")
    client: Any = importlib.import_module("googleapiclient.http")
    signing: Any = importlib.import_module("google_auth_httplib2")

    class Once(httplib2.Http):
        def _conn_request(self, conn: Any, *words: Any) -> Any:
            try:
                parent: Any = super()
                return parent._conn_request(_Sending(conn), *words)
            finally:
                conn.close()  # one that was kept could be found closed by the next

    http = client.build_http()
    http.__class__ = Once
    return signing.AuthorizedHttp(credentials, http=http)


class _Sending:
    """A connection that takes one request."""

    def __init__(self, connection: Any) -> None:
        self._connection, self._has_sent = connection, False

    def request(self, *words: Any, **named: Any) -> Any:
        if self._has_sent:
            raise ConnectionResetError("the connection was closed before the answer came")
        self._has_sent = True
        return self._connection.request(*words, **named)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)
