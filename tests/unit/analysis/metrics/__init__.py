"""From scraped counters to increments, and the queries that fetch them."""
