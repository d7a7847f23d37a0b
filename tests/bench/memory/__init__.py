"""What hostile Prometheus servers cost the process and everybody else: memory and seconds, printed, never asserted."""
