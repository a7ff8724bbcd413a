"""Moves of served models that free whole server replicas, or place what waits. Pure."""
