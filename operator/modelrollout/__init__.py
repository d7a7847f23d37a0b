"""Canary rollouts of model versions served by NVIDIA Triton, gated on activation health."""
