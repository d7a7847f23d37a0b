"""What is asked of model servers, and what the answers mean."""
