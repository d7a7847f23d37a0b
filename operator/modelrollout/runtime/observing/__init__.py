"""What a pass looks at before it decides."""
