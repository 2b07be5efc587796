"""GET /api/ledger/verification."""

from fastapi import APIRouter

from core.billing.ledger import blocks
from core.billing.ledger.verification.schemas import ChainStatus
from core.identity.scope import Reading

router = APIRouter(prefix="/api/ledger", tags=["billing"])


@router.get("/verification", operation_id="get_ledger_verification")
async def read_chain(scope: Reading) -> ChainStatus:
    """The newest block's hash commits to every transaction sealed so far; docs/ledger-chain.md recomputes it.

    `cloudbill ledger verify` recomputes all of it, on the server.
    """
    async with scope.reading() as unit:
        last = await blocks.find_last_block(unit.session, unit.tenant_id)
        now = await blocks.database_now(unit.session)
        unsealed = await blocks.count_unsealed(unit.session, unit.tenant_id, now=now)
    if last is None:
        return ChainStatus(blocks=0, last_block_hash=None, sealed_at=None, unsealed=unsealed)
    return ChainStatus(blocks=last.number, last_block_hash=last.hash.hex(), sealed_at=last.sealed_at, unsealed=unsealed)
