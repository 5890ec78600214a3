"""E²GAN's editor on OpenVINO."""
