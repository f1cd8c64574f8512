"""Take channels, neurons, units and heads out of onnx models, and fit what reads them to do without."""
