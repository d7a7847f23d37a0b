"""`dashboard`: the report as a page that stays up to date, served to this machine alone and read-only."""
