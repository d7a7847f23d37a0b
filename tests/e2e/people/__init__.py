"""What people do to a rollout: commands, edits, changes by hand, deletion, input that is not expected."""
