"""The process: it wakes, observes, evaluates, decides and writes; everything is put together here."""
