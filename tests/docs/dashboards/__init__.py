"""Grafana dashboards as code: what each panel asks, built with Grafana's own SDK, written for the chart.

``python -m tests.docs.dashboards`` writes charts/modelrollout/files/dashboards; a test fails while they are stale.
"""
