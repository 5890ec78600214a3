"""The generators that E²GAN is measured against, trained in its loop and measured as it is (paper, section 5)."""
