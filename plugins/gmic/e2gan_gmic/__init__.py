"""Filters of G'MIC as a teacher: a catalogue of looks, each with bounded numbers."""
