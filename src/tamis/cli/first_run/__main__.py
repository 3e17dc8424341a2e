"""``python -m tamis.cli.first_run``."""

from tamis.cli.first_run.show import main

main()
