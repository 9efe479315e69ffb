"""The trainer: recipes, batches, the loop, checkpoints and measurements."""
