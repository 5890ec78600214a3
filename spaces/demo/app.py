"""The Space: the page of ``e2gan demo``, for the public."""

import os

from e2gan_demo.serve import launch

launch(public=True, catalogue=os.environ.get("E2GAN_CATALOGUE"))
