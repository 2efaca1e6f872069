"""Similarities, ranks and best matches, computed where the matrices are."""
