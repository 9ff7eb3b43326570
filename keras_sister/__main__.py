"""``python -m keras_sister`` runs the command ``sister-keras``."""

from keras_sister_cli.main import main  # type: ignore[import-not-found]  # installed from cli/

main(prog_name="sister-keras")
