"""What `spec.traffic` says besides the Gateway: which protocols are split, and what the routes are given along."""
