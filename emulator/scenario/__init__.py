"""Failures on demand: what goes wrong, where and when, and what clients made of it."""
