"""ULIP and ULIP-2: point clouds in one space with images and texts, by a PointBERT."""
