"""Python's `logging` in its usual formats, and those of gunicorn, uvicorn, Flask and Django.

The message is the line without its time: level and logger are found as words.
"""

import re

from tamis.wire.text import ISO, TextFormat

_LEVEL = r"(?P<level>DEBUG|INFO|WARNING|WARN|ERROR|CRITICAL|FATAL|NOTSET|TRACE|SUCCESS|NOTICE)"
_NAME = r"(?P<logger>[\w][\w.:/<>-]*)"
_TIME = rf"(?P<cut>(?P<time>{ISO})"

PYTHON = TextFormat(
    name="python",
    patterns=tuple(
        re.compile(pattern)
        for pattern in (
            rf"{_TIME} +- +){_NAME} +- +{_LEVEL} +- +",  # asctime - name - levelname - message
            rf"{_TIME} +- +){_LEVEL} +- +{_NAME} +- +",
            rf"{_TIME} +- +){_LEVEL} +- +",
            rf"{_TIME} +\| +){_LEVEL} +\| +{_NAME} +- ",  # loguru
            rf"{_TIME} +){_LEVEL} +{_NAME}(?: \[(?P<thread>[^\]]*)\])?: ",
            rf"{_TIME} +){_LEVEL}:{_NAME}:",
            rf"{_TIME} +)\[{_LEVEL} *\] +{_NAME}: ",
            rf"{_TIME} +){_NAME} +{_LEVEL}:? +",
            rf"(?P<cut>\[(?P<time>{ISO})\] +)\[(?P<pid>\d+)\] +\[{_LEVEL}\] ",  # gunicorn
            rf"(?P<cut>\[(?P<time>{ISO})\] +){_LEVEL} in {_NAME}: ",  # Flask
            rf"{_LEVEL} +(?P<cut>(?P<time>{ISO}) +)(?P<logger>\w[\w.]*) (?P<pid>\d+) (?P<thread>\d+) ",  # Django
            rf"{_LEVEL}:(?P<logger>\w[\w.<>-]*):",  # basicConfig
            rf"{_LEVEL}: +",  # uvicorn
        )
    ),
)
