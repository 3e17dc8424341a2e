"""The pipeline beside the standard library and other log systems: what logging costs the application."""
