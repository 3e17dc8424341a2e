"""`EncryptionHandler`: alone, in dictConfig, and read again with `tamis decrypt`."""

import logging
import logging.config
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tamis.disk.real import RealDisk
from tamis.embed.handlers.encryption import EncryptionHandler
from tamis.errors import ConfigError
from tamis.integrity.ledger import Layout, read_ledger, verify_ledger
from tests.support.commands import tamis

SECRET = "bob@example.com"


def places(folder: Path) -> dict[str, Any]:
    return {
        "keys_keyring": str(folder / "keys"),
        "keys_file": str(folder / "master.key"),
        "audit_ledger": str(folder / "audit"),
        "audit_heads": str(folder / "heads"),
        "audit_signing_key": str(folder / "audit.key"),
    }


@pytest.fixture
def logger() -> Any:
    made = logging.Logger("shop.pay", logging.DEBUG)
    yield made
    for handler in made.handlers:
        handler.close()


def test_what_was_encrypted_is_read_again_with_tamis_decrypt(tmp_path: Path, logger: logging.Logger) -> None:
    """The file holds no secret; the command with the keys gives the text back; the audit knows, without the secret."""
    out = logging.FileHandler(tmp_path / "app.log", encoding="utf-8")
    out.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s %(password)s"))
    handler = EncryptionHandler(out, **places(tmp_path))
    logger.addHandler(handler)
    logger.warning("mail to %s", SECRET, extra={"password": "hunter2"})
    handler.close()
    out.close()
    text = (tmp_path / "app.log").read_text(encoding="utf-8")
    assert SECRET not in text
    assert "hunter2" not in text
    environ = {f"TAMIS_{name.upper()}": value for name, value in places(tmp_path).items()}
    opened = tamis("decrypt", str(tmp_path / "app.log"), home=tmp_path, **environ)
    assert opened.out == f"WARNING shop.pay mail to {SECRET} hunter2\n"
    layout = Layout(tmp_path / "audit", tmp_path / "heads")
    assert verify_ledger(RealDisk(), layout, trusted=()).is_whole
    entries = [one.entry for one in read_ledger(RealDisk(), layout)]
    assert [(one["action"], one["kinds"], one["logger"]) for one in entries] == [
        ("secured", {"email": 1, "key": 1}, "shop.pay")
    ]
    assert SECRET not in str(entries)


def test_it_works_alone_in_dictconfig(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With a handler that is named, and a mode for all kinds but one."""
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {
                "a": {
                    "class": "tamis.embed.handlers.encryption.EncryptionHandler",
                    "handler": "cfg://handlers.out",
                    "mode": "hash",
                    "encrypt_ip": "mask",
                    **places(tmp_path),
                },
                "out": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout"},
            },
            "loggers": {"enc": {"handlers": ["a"], "level": "INFO", "propagate": False}},
        }
    )
    try:
        logging.getLogger("enc").info("%s from 10.0.0.1, again %s", SECRET, SECRET)
    finally:
        handlers = logging.getLogger("enc").handlers
        handlers[0].close()
        logging.getLogger("enc").handlers = []
    text = capsys.readouterr().out
    first, _, rest = text.partition(" from ")
    assert first.startswith("email:hash:")
    assert rest == f"***IP***, again {first}\n"


def test_without_keys_it_masks(
    tmp_path: Path, logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    """A master key that others may read is refused; the record arrives masked, and stderr says why."""
    (tmp_path / "master.key").write_text("no key", encoding="utf-8")
    out = logging.FileHandler(tmp_path / "app.log", encoding="utf-8")
    handler = EncryptionHandler(out, **places(tmp_path))
    logger.addHandler(handler)
    logger.error("mail to %s", SECRET)
    handler.close()
    out.close()
    assert (tmp_path / "app.log").read_text(encoding="utf-8") == "mail to ***@***.***\n"
    assert "masked and not encrypted" in capsys.readouterr().err


def test_wrong_use_is_told_at_once(tmp_path: Path) -> None:
    """An unknown mode names its setting; somewhere to go there must be."""
    with pytest.raises(ConfigError, match=r"encrypt\.\w+ = 'rot13'"):
        EncryptionHandler(logging.NullHandler(), mode="rot13", **places(tmp_path))
    with pytest.raises(TypeError, match="handler or sinks"):
        EncryptionHandler()


def test_json_files_hold_envelopes_too(tmp_path: Path, logger: logging.Logger) -> None:
    """A sink in place of a handler: one JSON object a line, secrets nowhere in it."""
    handler = EncryptionHandler(sinks=[f"file://{tmp_path}/app.jsonl"], **places(tmp_path))
    logger.addHandler(handler)
    logger.error("card 4111 1111 1111 1111", extra={"user": {"api_key": "k-123"}})
    handler.close()
    line = msgspec.json.decode((tmp_path / "app.jsonl").read_bytes())
    assert line["message"].startswith("card tamis:v1:")
    assert line["attributes"]["user"]["api_key"].startswith("tamis:v1:")
