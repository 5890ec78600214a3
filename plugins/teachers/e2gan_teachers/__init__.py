"""Teachers that run on any computer: painted styles, OpenCV's filters and colour grades; and diffusion models.

`e2gan_teachers.catalogue` names the former, `e2gan_teachers.diffusion` the latter.
"""
