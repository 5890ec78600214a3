"""The networks: generator, discriminator, and LoRA on the generator's crucial layers."""
