"""Tests and the lab of real components they run on; a package, so that no installed `tests` shadows it."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
"""The repository."""
