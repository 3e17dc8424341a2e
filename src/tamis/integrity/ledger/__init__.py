"""The ledger: a hash-chained journal with signed checkpoints. Every audit is one.

with open_ledger(disk, folder, heads=heads, signer=signer) as ledger:
    ledger.append({"action": "signed in", "principal": "ada"}, durable=True)
assert verify_ledger(disk, Layout(folder, heads), trusted=(signer.public,)).is_whole
"""

from tamis.integrity.ledger.export import LedgerEntry, export_ledger, read_ledger
from tamis.integrity.ledger.layout import Layout
from tamis.integrity.ledger.ledger import Ledger, open_ledger
from tamis.integrity.ledger.options import LedgerOptions
from tamis.integrity.ledger.resolved import layout_from, ledger_from, options_from
from tamis.integrity.ledger.signing import Signer, open_signer, parse_public
from tamis.integrity.ledger.verify import Finding, Report, verify_ledger

__all__ = [
    "Finding",
    "Layout",
    "Ledger",
    "LedgerEntry",
    "LedgerOptions",
    "Report",
    "Signer",
    "export_ledger",
    "layout_from",
    "ledger_from",
    "open_ledger",
    "open_signer",
    "options_from",
    "parse_public",
    "read_ledger",
    "verify_ledger",
]
