"""Clips and animations, edited frame by frame.

Clips need the extra ``video``: PyAV, which brings FFmpeg, and OpenCV.
"""
