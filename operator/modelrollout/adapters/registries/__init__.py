"""Model registries: MLflow, and what speaks its REST API."""

from modelrollout.adapters.registries.mlflow import Mlflow

__all__ = ["Mlflow"]
