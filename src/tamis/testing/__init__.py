"""For users' own tests: see what was logged, hold the clock still."""

from tamis.pipeline.sinks.memory import MemorySink
from tamis.testing.capture import CapturedRecords, capture
from tamis.testing.clock import FakeClock

__all__ = ["CapturedRecords", "FakeClock", "MemorySink", "capture"]
