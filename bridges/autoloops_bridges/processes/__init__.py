"""What runs: the parent, the main process and the player, each a thin shell that wires cores to drivers."""
