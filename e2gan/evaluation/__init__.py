"""Measuring a concept against its teacher, with networks that no training loss uses."""
