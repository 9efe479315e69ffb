"""The player's cores: bars held, note ledger, outlets. Neither numpy nor onnxruntime."""
