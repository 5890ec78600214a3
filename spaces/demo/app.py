"""The Space: the page of ``e2gan demo``, for the public."""

from e2gan_demo.serve import launch

launch(public=True)
