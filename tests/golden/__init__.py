"""Every text that people read, pinned in files: `make golden` rewrites them, and the diff shows what changed."""
