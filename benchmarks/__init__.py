"""Measurements against named peers; each room has its own package."""
