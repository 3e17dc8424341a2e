"""Plain text: the message is the line; stack traces stay with the line that starts them."""

from tamis.wire.text import TextFormat

PLAIN = TextFormat(name="plain", patterns=())
