"""log4j, logback and their kin (Hadoop, ZooKeeper, Spring Boot, Kafka, Elasticsearch).

The message is the line without its time: level, thread and class are found as words.
"""

import re

from tamis.wire.text import ISO, TextFormat

_LEVEL = r"(?P<level>TRACE|DEBUG|INFO|WARN|WARNING|ERROR|FATAL|SEVERE|FINE|FINER|FINEST|CONFIG|OFF|ALL)"
_THREAD = r"\[(?P<thread>[^\[\]]*(?:\[[^\[\]]*\][^\[\]]*)*)\]"
_CLASS = r"(?P<logger>[A-Za-z_$][\w.$/-]*)"
_TIME = rf"(?P<cut>(?P<time>{ISO}) +"

LOG4J = TextFormat(
    name="log4j",
    patterns=tuple(
        re.compile(pattern)
        for pattern in (
            rf"{_TIME}){_LEVEL} +(?P<pid>\d+) --- (?:\[(?P<service>[^\]]*)\] +)?{_THREAD} +{_CLASS} *: ",  # Spring
            rf"{_TIME}){_LEVEL} +{_THREAD} +{_CLASS}(?: - |:)",
            rf"{_TIME}){_THREAD} +{_LEVEL} +{_CLASS}(?: - |:)",
            rf"{_TIME}){_LEVEL} +{_CLASS} +{_THREAD}(?: - |:)?",
            rf"{_TIME}- +){_LEVEL} +{_THREAD} +- ",  # ZooKeeper
            rf"{_TIME}){_LEVEL} +{_CLASS}(?: \[[^\]]*\])?(?: - |:)",
            rf"(?P<cut>\[(?P<time>{ISO})\] ?)\[{_LEVEL} *\]\[{_CLASS} *\]",  # Elasticsearch
            rf"(?P<cut>\[(?P<time>{ISO})\] +){_LEVEL} ",  # Kafka
            rf"{_LEVEL} +(?P<cut>\[?(?P<time>{ISO})\]? +)(?:{_THREAD} +)?{_CLASS}(?: - |:)",
            rf"{_LEVEL} +{_THREAD} +(?P<cut>(?P<time>{ISO}) +){_CLASS}(?: - |:)",
            rf"(?P<clock>\d\d:\d\d:\d\d[.,]\d{{3}}) {_THREAD} +{_LEVEL} +{_CLASS} -",  # logback without a date
        )
    ),
)
