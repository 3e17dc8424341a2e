"""Figures: how fast, how small and how safe Tamis is, beside a yardstick measured in the same run."""
