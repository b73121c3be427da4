"""Failures on demand: what goes wrong, where and when; stories about it, and their verdicts."""
