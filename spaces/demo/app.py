"""The Space: the page that ``e2gan demo`` serves on one's own machine, for everybody."""

from e2gan_demo.serve import launch

launch(public=True)
