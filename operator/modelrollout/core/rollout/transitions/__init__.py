"""What a trigger does to the status: forward or back, from shared effects, by typed changes."""
