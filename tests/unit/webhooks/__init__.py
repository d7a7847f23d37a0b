"""Webhook gates: what is asked, when, and what an answer means."""
