"""The analysis: statistics, series, gates; recorded.py holds samples as Prometheus would."""
