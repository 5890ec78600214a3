"""Training: pairs from a teacher, the adversarial loop, bases and concepts."""
