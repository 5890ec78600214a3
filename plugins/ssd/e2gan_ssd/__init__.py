"""Spectral Style-DCGAN (ICLR 2024 Tiny Papers): an unconditional generator of pictures of 64 × 64 pixels."""
