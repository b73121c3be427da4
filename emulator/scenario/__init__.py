"""Failures on demand, and stories about them that end in a verdict."""
