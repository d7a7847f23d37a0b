"""The prober: a process of its own that replays golden sets against two versions and counts; it decides nothing."""
