"""What the statistics promise: error under the null, power, and what holds for every input."""
