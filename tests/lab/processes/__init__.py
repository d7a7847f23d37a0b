"""Child processes: started, marked, watched, and ended by their own pid."""
