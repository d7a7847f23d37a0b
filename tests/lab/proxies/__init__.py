"""What may stand between a client and the API server: a proxy that changes nothing, and what is hooked on it."""
