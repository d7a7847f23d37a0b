"""The lab starts and stops every real component on loopback: API server, gateway, Prometheus, model servers.

Its one rule: nothing here stands in for a component; what is measured against the lab is measured on the real thing.
"""
