"""The generators that E²GAN is compared with, trained in its loop and measured in the same way (paper, section 5)."""
