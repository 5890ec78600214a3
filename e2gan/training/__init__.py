"""Training: the adversarial loop, bases, concepts and the rank search."""
