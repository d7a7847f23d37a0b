"""How the operator is told to stop: as the prober is."""

from modelrollout.adapters.signals import Stop, leave

__all__ = ["Stop", "leave"]
