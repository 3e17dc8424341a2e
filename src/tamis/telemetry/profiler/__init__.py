"""What an application takes, and where: `PerformanceProfiler` and its reports."""

from tamis.telemetry.profiler.compare import Change, Comparison, compare_reports
from tamis.telemetry.profiler.limits import ProfilerLimits
from tamis.telemetry.profiler.profiler import PerformanceProfiler
from tamis.telemetry.profiler.report import (
    FunctionFigures,
    PerformanceReport,
    Recommendation,
    Spread,
    read_report,
)
from tamis.telemetry.profiler.system import SystemSample

__all__ = [
    "Change",
    "Comparison",
    "FunctionFigures",
    "PerformanceProfiler",
    "PerformanceReport",
    "ProfilerLimits",
    "Recommendation",
    "Spread",
    "SystemSample",
    "compare_reports",
    "read_report",
]
