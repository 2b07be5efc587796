"""Recovery: drills that restore and verify, their evidence, and the hold on the worker of a restored copy."""
