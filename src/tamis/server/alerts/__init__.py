"""Alert rules: what is watched for in the records that come, and who is told."""
