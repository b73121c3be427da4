"""What the operating system refuses, in words for a person."""


def in_words(problem: OSError) -> str:
    """Such as `address already in use`."""
    return (problem.strerror or str(problem)).lower()
