"""What the lab installs and builds before its first start, once per user."""
