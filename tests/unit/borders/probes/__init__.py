"""Probes of model servers: whom they ask, whom they believe, and what of an answer goes on."""
