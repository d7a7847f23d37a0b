"""Tests of what a cluster gets: the definition and the chart."""
