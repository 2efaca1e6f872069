"""Frozen encoders: from media to embeddings with L2-normalised rows."""
