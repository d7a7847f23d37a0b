"""ONNX models are watched by reductions inside the graph: nobody edits the network, its answers stay what they are."""
