"""What the route must be before anything on it may be raised: Git's as it should be, copies where a gateway can."""
