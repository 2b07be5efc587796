"""How far a tenant's chain has come."""

from core.foundation.schemas import Answer, Instant


class ChainStatus(Answer):
    """The newest block, null before the first, and how many transactions wait for the next one (10,000 at most)."""

    blocks: int
    last_block_hash: str | None
    sealed_at: Instant | None
    unsealed: int
