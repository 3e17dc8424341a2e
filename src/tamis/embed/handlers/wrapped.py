"""The handler that another one wraps: an object, a part of `dictConfig`, or one that `dictConfig` makes later."""

import logging
from collections.abc import Callable, Mapping
from typing import Any


def find_wrapped(given: object) -> Callable[[], logging.Handler]:
    """What gives the handler; TypeError when there can be none.

    In `dictConfig` a wrapped handler stands inline (`handler: {class: …}`), or is named as `cfg://handlers.<name>`.
    dictConfig makes handlers in the order of their names, so a named one may not be there yet: it is looked up when
    the first record comes.
    """
    if isinstance(given, logging.Handler):
        return lambda: given
    configurator: Any = getattr(given, "configurator", None)
    if configurator is None or not isinstance(given, Mapping):
        raise TypeError(f"{given!r} is no logging.Handler; in dictConfig write cfg://handlers.<name>")
    handlers = configurator.config["handlers"]
    for name in handlers:
        if dict.__getitem__(handlers, name) is given:
            return lambda: _made(handlers, name)
    made = configurator.configure_handler(given)
    return lambda: made


def _made(handlers: Mapping[str, object], name: str) -> logging.Handler:
    found = handlers[name]
    if not isinstance(found, logging.Handler):
        raise TypeError(f"the handler {name} is not configured yet")
    return found
