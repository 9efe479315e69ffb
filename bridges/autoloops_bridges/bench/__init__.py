"""Measurements on this machine: each takes some seconds, stays on loopback and ends by itself."""
