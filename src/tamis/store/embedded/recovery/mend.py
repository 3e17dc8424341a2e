"""Mending a segment of which only the tally is damaged: it is counted anew from the records."""

import msgspec

from tamis.disk.base import Disk
from tamis.errors import DamageError, DiskError
from tamis.store.embedded.format.layout import Layout
from tamis.store.embedded.format.manifest import SegmentEntry
from tamis.store.embedded.format.segment import open_segment
from tamis.store.embedded.format.segment_files import digest, digest_of_file, read_rows
from tamis.store.embedded.format.tally import encode_tally, tally_table


def with_new_tally(disk: Disk, layout: Layout, entry: SegmentEntry) -> SegmentEntry | None:
    """The entry of the segment with its tally written anew; None when its records are damaged as well."""
    path, tally_path = layout.segment(entry.name), layout.tally(entry.name)
    try:
        if disk.size(path) != entry.bytes or digest_of_file(disk, path) != entry.sha256:
            return None
        segment = open_segment(entry.name, path, tally_path, entry.facts)
        try:
            tally = encode_tally(tally_table(read_rows(segment)))
        finally:
            segment.close()
        disk.write_whole(tally_path, [tally])
    except (DiskError, DamageError):
        return None
    return msgspec.structs.replace(entry, tally_bytes=tally.size, tally_sha256=digest(tally))
