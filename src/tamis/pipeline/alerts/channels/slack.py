"""Slack's incoming webhooks, and those that take the same (Mattermost, Rocket.Chat)."""

from tamis.pipeline.alerts.alert import Alert
from tamis.pipeline.alerts.channels.base import HttpChannel, Notice, encode
from tamis.pipeline.alerts.channels.text import TITLES, print_alert
from tamis.pipeline.alerts.channels.url import ChannelUrl

_TEXT_CHARS_MAX = 2_900
"""Slack's blocks take 3,000 characters (https://api.slack.com/reference/block-kit/blocks)."""
_SIGNS = {"firing": ":red_circle:", "going_on": ":large_orange_circle:", "over": ":large_green_circle:"}


class SlackChannel(HttpChannel):
    """Posts a line for notifications, and a block with what happened."""

    def notice(self, alert: Alert, batch_id: str) -> Notice:
        """Text of users goes in with Slack's three characters escaped, so that it mentions and links nobody."""
        text = f"{_SIGNS[alert.state]} *{TITLES[alert.state]}* {_escaped(alert.summary)}"
        block = _escaped(print_alert(alert)[:_TEXT_CHARS_MAX]).replace("```", "'''")[:_TEXT_CHARS_MAX]
        parts = [text[:_TEXT_CHARS_MAX], f"```{block}```"]
        if alert.link and len(alert.link) < _TEXT_CHARS_MAX:
            parts.append(f"<{_escaped(alert.link)}|Show the records>")
        blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": part}} for part in parts]
        return Notice(encode({"text": text, "blocks": blocks}), {})


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def create(url: ChannelUrl) -> SlackChannel:
    """``slack+https://hooks.slack.com/services/…``."""
    return SlackChannel(url, url.path)
