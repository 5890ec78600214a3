"""The looks by kind; `e2gan_gmic.catalogue` has them all."""
