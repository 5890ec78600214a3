"""E²GAN concepts as LiteRT models, for Android."""
