"""One process that is scraped by two jobs, or by two scrapers."""
