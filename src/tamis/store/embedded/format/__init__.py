"""What the files hold: columns, shapes, tallies, segments, frames, the manifest."""
