"""Facts in, findings out: nothing here reads anything or knows the time, and every sentence names its fix."""
