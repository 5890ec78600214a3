"""E²GAN concepts as Core ML packages, and a check of them that runs on any machine."""
