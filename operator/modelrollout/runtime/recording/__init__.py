"""The record of a pass: the status, fenced, cut short where it is not taken whole, and tried again beside others."""
