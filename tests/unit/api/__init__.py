"""Tests of the resource itself: what a manifest may say, and what people are told when it says something else."""
