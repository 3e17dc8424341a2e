"""From bodies to safe records: read within limits, decoded, stored whole, answered exactly."""
