"""From files to media in memory: images and audio clips."""
