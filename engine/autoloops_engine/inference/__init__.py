"""Running models: the decoder protocol, onnxruntime behind it, the worker and its time budget."""
