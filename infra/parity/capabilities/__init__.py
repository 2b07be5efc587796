"""What is compared, by area."""

from infra.parity.capabilities import compute, edge, network, recovery, secrets, signals, stores
from infra.parity.capability import Capability

CAPABILITIES: tuple[Capability, ...] = (
    *network.CAPABILITIES,
    *edge.CAPABILITIES,
    *compute.CAPABILITIES,
    *stores.CAPABILITIES,
    *secrets.CAPABILITIES,
    *recovery.CAPABILITIES,
    *signals.CAPABILITIES,
)
