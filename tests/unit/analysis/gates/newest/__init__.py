"""What the newest ticks alone say."""
