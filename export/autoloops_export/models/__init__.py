"""The networks: one configuration dataclass and one readable file per model."""
