"""Gates whose counters read NaN, Inf or negative numbers, once or at every scrape."""
