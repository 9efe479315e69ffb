"""OSC: bytes, time tags, listeners, the edge of the main process and the sink of the player."""
