"""From files to media in memory: images, sounds, point clouds, texts, and what films hold of them."""
