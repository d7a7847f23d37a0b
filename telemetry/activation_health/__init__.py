"""Activation statistics measured inside the model server: exact counts, equal windows, bounded cost."""

from activation_health.catalog import CATALOG, Family, Sample
from activation_health.digest import digest_arrays
from activation_health.layers import Layer
from activation_health.monitor import Monitor

__all__ = ["CATALOG", "Family", "Layer", "Monitor", "Sample", "digest_arrays"]
