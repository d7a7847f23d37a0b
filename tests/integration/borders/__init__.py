"""What other systems may send or fail to send, and what becomes of it."""
