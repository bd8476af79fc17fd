"""Fitted estimators as one graph from rows to answers, in ONNX."""
