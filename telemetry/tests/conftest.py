"""How hard the properties are tried, as in tests/conftest.py: whichever file is read last speaks for both."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("quick", max_examples=4, deadline=None, derandomize=True)
settings.register_profile("full", max_examples=100, deadline=None, derandomize=True)
settings.register_profile("explore", max_examples=1000, deadline=None)
settings.load_profile("full")
