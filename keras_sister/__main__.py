"""``python -m keras_sister`` runs the command ``sister-keras``."""

from keras_sister_cli.main import main

main(prog_name="sister-keras")
