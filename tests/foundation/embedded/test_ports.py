import os
import socket

from core.foundation.embedded.ports import find_holder, free_port, is_free


def test_a_port_is_taken_while_somebody_listens_even_with_reuse_port() -> None:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        assert not is_free(port)
        assert free_port(port) != port
        holder = find_holder(port)
        assert holder
        assert holder.pid == os.getpid()
    assert is_free(port)
    assert free_port(port) == port
