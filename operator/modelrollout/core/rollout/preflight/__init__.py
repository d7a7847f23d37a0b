"""Pre-flight: a candidate gets no traffic before it has passed its golden set at weight 0."""
