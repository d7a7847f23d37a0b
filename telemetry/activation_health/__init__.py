"""Activation statistics measured inside the model server: exact counts, equal windows, bounded cost."""

from activation_health.catalog import CATALOG, Family, Sample
from activation_health.digest import digest_arrays
from activation_health.golden import GoldenSet
from activation_health.labels import LabelJoiner
from activation_health.monitor import Monitor
from activation_health.spec import Layer

__all__ = ["CATALOG", "Family", "GoldenSet", "LabelJoiner", "Layer", "Monitor", "Sample", "digest_arrays"]
