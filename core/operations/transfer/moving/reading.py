"""The stream read ahead of the applier, in a thread of its own, within a bound."""

import queue
import threading
import time

from core.operations.transfer.moving.changes import Assembler, Transaction
from core.operations.transfer.moving.errors import MoveError
from core.operations.transfer.moving.replication import Stream

BATCH_TRANSACTIONS = 2_000
BATCH_BYTES = 4 * 2**20
QUEUE_BYTES = 64 * 2**20


class Reader:
    """Reads ahead in a thread of its own, within a bound, and keeps the line alive while the target is busy."""

    def __init__(self, stream: Stream, assembler: Assembler) -> None:
        self.stream = stream
        self.failure: MoveError | None = None
        self._assembler = assembler
        self._queue: queue.SimpleQueue[Transaction] = queue.SimpleQueue()
        self._bytes = 0
        self._waiting = 0
        """Transactions that were read and are not committed."""
        self._confirmed = stream.flushed
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="read", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """Ends it; the last thing it says is what was committed."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(10)

    def take(self, seconds: float) -> list[Transaction]:
        """What is there, as much as makes one batch; empty when nothing came."""
        batch: list[Transaction] = []
        size = 0
        while len(batch) < BATCH_TRANSACTIONS and size < BATCH_BYTES:
            try:
                batch.append(self._queue.get(timeout=seconds) if not batch else self._queue.get_nowait())
            except queue.Empty:
                break
            size += batch[-1].bytes
        return batch

    def done(self, batch: list[Transaction], position: int) -> None:
        """They are committed."""
        with self._lock:
            self._waiting -= len(batch)
            self._bytes -= sum(transaction.bytes for transaction in batch)
            self._confirmed = max(self._confirmed, position)

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                with self._lock:
                    is_full = self._bytes > QUEUE_BYTES
                data = None
                if is_full:
                    self._stopping.wait(0.02)
                    self.stream.heard_at = time.monotonic()  # it is we who do not listen
                else:
                    data = self.stream.read(0.2)
                if data is not None:
                    done = self._assembler.take(data)
                    if done is not None:
                        with self._lock:
                            self._waiting += 1
                            self._bytes += done.bytes
                        self._queue.put(done)
                self._confirm()
                self.stream.keep_alive()
            self._confirm()
            self.stream.tell(wants_answer=False)
        except MoveError as error:
            self.failure = error
        except Exception as error:  # a thread's last place
            self.failure = MoveError(f"reading the stream failed: {type(error).__name__}: {error}")

    def _confirm(self) -> None:
        with self._lock:
            idle = self._waiting == 0 and self._assembler.is_between
            # What the source sent nothing of concerns us nothing: its log may go, too.
            self.stream.flushed = max(self.stream.flushed, self._confirmed, self.stream.server_end if idle else 0)
