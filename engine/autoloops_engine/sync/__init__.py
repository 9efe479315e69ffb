"""Sync sources: who gives the tempo, and how the player is led along. Neither numpy nor onnxruntime."""
