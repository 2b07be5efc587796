"""The rules as a Pulumi policy pack. It is a program of its own: `PolicyPack` serves until it is stopped."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

from pulumi_policy import PolicyPack

from infra.policies.packing import policies

PolicyPack(name="cloudbill", policies=policies(), description="What every stack of CloudBill is held to")
