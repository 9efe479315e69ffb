"""From a trained model to the graphs of a bundle, and the proof that they do the same."""
