"""What joins two frozen spaces: pseudo pairs, projectors, and closed-form maps to compare them with."""
