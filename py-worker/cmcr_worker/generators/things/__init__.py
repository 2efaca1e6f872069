"""Things that one can see, scan and describe.

A thing is a combination of six attributes of its shape. An image, a point cloud
and a caption of the same thing have nothing in common but those; colour and
background are in images and captions alone.
"""
