"""How late a port sounds: clicks go out, what comes back is matched with them, and the figure is kept."""
