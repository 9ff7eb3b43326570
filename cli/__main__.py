"""``python -m cli`` in the checkout, ``python -m keras_sister_cli`` where it is installed."""

from .main import main

main(prog_name="sister-keras")
