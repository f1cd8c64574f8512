"""Graph passes by name: onnxruntime's in its own session, onnxoptimizer's and onnxslim's in a process that may die."""
