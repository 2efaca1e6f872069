"""Small encoders trained from scratch on the built-in worlds; their weights come with the package."""
