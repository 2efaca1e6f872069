"""Scenes that one can see, hear and describe.

A scene is a combination of six attributes. An image and a sound of the same
scene have nothing in common but those, and so do their captions.
"""
