"""The outside world, one folder a system; each adapter is bounded in time and fails as a typed outcome."""
