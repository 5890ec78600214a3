"""Training: the adversarial loop, bases, concepts and the search of ranks."""
