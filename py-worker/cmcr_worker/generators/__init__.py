"""Deterministic generators of items: worlds whose every item follows from a seed and an index."""
