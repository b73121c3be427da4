"""Measurements beside peers in the same run: this kind of machine is noisy, so what counts is the ratio."""
