"""`report` and `dashboard`: what is read of a rollout, its gates judged again over time, and the page that shows it."""
