"""Model servers: whether a version is ready."""
