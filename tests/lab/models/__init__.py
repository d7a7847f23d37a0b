"""The lab's models: trained here on real data, served by the real tritonserver."""
