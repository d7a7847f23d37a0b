"""How soon traffic is lowered while what comes in from outside is hostile, border by border."""
