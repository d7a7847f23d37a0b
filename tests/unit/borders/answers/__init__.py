"""Answers of servers: read in pieces, many series together, and on from the one before."""
