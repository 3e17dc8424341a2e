"""Alerts: what is watched for, when it is told, and to whom."""
