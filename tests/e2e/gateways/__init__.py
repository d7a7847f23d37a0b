"""Whole rollouts behind a gateway other than Traefik."""
