"""Take channels out of onnx models, and fit what reads them to do without."""
