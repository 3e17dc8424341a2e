"""Tamis: a fine sieve for logs.

The names that applications use, each loaded when it is first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tamis.cache.multilevel import MultiLevelCache
    from tamis.embed.agent import AgentLogger, get_agent_logger
    from tamis.embed.asgi import AsgiMiddleware
    from tamis.embed.config import LoggingConfig
    from tamis.embed.correlation import correlation_headers
    from tamis.embed.handlers.alerting import AlertingHandler
    from tamis.embed.handlers.async_log import AsyncLogHandler
    from tamis.embed.handlers.compressing_rotating_file import CompressingRotatingFileHandler
    from tamis.embed.handlers.elasticsearch import ElasticsearchHandler
    from tamis.embed.handlers.encryption import EncryptionHandler
    from tamis.embed.handlers.monitoring import AdvancedMonitoringHandler
    from tamis.embed.install import get_logger
    from tamis.embed.logger import Logger
    from tamis.embed.loguru import LoguruSink
    from tamis.embed.manager import LoggingManager, configure, flush, shutdown
    from tamis.embed.performance import log_performance
    from tamis.embed.structlog import StructlogProcessor
    from tamis.embed.wsgi import WsgiMiddleware
    from tamis.integrity.storage import StorageManager
    from tamis.pipeline.metrics import LogMetrics
    from tamis.record.context import context
    from tamis.resilience.breaker import CircuitBreaker
    from tamis.resilience.executor.threads import TaskExecutor
    from tamis.resilience.runtime import RuntimeManager
    from tamis.telemetry.profiler import PerformanceProfiler
    from tamis.version import __version__

_PLACES = {
    "AdvancedMonitoringHandler": "tamis.embed.handlers.monitoring",
    "AgentLogger": "tamis.embed.agent",
    "AlertingHandler": "tamis.embed.handlers.alerting",
    "AsgiMiddleware": "tamis.embed.asgi",
    "AsyncLogHandler": "tamis.embed.handlers.async_log",
    "CircuitBreaker": "tamis.resilience.breaker",
    "CompressingRotatingFileHandler": "tamis.embed.handlers.compressing_rotating_file",
    "ElasticsearchHandler": "tamis.embed.handlers.elasticsearch",
    "EncryptionHandler": "tamis.embed.handlers.encryption",
    "LogMetrics": "tamis.pipeline.metrics",
    "Logger": "tamis.embed.logger",
    "LoggingConfig": "tamis.embed.config",
    "LoggingManager": "tamis.embed.manager",
    "LoguruSink": "tamis.embed.loguru",
    "MultiLevelCache": "tamis.cache.multilevel",
    "PerformanceProfiler": "tamis.telemetry.profiler",
    "RuntimeManager": "tamis.resilience.runtime",
    "StorageManager": "tamis.integrity.storage",
    "StructlogProcessor": "tamis.embed.structlog",
    "TaskExecutor": "tamis.resilience.executor.threads",
    "WsgiMiddleware": "tamis.embed.wsgi",
    "__version__": "tamis.version",
    "configure": "tamis.embed.manager",
    "context": "tamis.record.context",
    "correlation_headers": "tamis.embed.correlation",
    "flush": "tamis.embed.manager",
    "get_agent_logger": "tamis.embed.agent",
    "get_logger": "tamis.embed.install",
    "log_performance": "tamis.embed.performance",
    "shutdown": "tamis.embed.manager",
}
_MODULES = frozenset(("errors", "testing"))

__all__ = [
    "AdvancedMonitoringHandler",
    "AgentLogger",
    "AlertingHandler",
    "AsgiMiddleware",
    "AsyncLogHandler",
    "CircuitBreaker",
    "CompressingRotatingFileHandler",
    "ElasticsearchHandler",
    "EncryptionHandler",
    "LogMetrics",
    "Logger",
    "LoggingConfig",
    "LoggingManager",
    "LoguruSink",
    "MultiLevelCache",
    "PerformanceProfiler",
    "RuntimeManager",
    "StorageManager",
    "StructlogProcessor",
    "TaskExecutor",
    "WsgiMiddleware",
    "__version__",
    "configure",
    "context",
    "correlation_headers",
    "flush",
    "get_agent_logger",
    "get_logger",
    "log_performance",
    "shutdown",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"tamis.{name}")
    place = _PLACES.get(name)
    if place is None:
        raise AttributeError(f"module 'tamis' has no attribute {name!r}")
    value = getattr(import_module(place), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_MODULES})
