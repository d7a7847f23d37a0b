"""Sinks against real servers on this machine."""
