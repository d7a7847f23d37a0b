"""Tests of the resource itself: what a manifest may say, and what people read when it says something else."""
