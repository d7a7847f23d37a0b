"""What one evaluation costs, in CPU seconds of this process: the same engine and evaluator, samples from memory."""
