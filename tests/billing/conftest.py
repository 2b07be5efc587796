"""Property tests on a machine that does other things too: being slow is no fault of the arithmetic."""

from hypothesis import HealthCheck, settings

settings.register_profile("billing", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("billing")
