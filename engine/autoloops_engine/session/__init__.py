"""The session's cores: parts, launches, the life of a bar."""
