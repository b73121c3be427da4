"""The control API: a machine without HTTP, its server and its client."""
