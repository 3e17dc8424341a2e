"""What holds for all tests."""

from hypothesis import settings

# Machines are shared: how long one example takes says nothing.
settings.register_profile("tamis", deadline=None, print_blob=True)
settings.load_profile("tamis")
