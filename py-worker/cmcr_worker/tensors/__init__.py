"""Matrices of embeddings: files that hold them, blocks of their rows, handles that name them."""
