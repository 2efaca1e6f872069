"""cmcr worker: encoder forward passes, memory attention, projector training, similarities."""

__version__ = "0.1.0"
