"""One row, one address, one answer: over HTTP or gRPC, bounded in time and size."""
