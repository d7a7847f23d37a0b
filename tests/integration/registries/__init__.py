"""Model registries: a real MLflow, and servers that answer anything."""
