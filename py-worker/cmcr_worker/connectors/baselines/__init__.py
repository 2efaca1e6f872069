"""Connectors that cost nothing to train: what a trained one has to beat."""
