"""The one thing about the package that is computed; everything else stands in pyproject.toml."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["keras_sister", "keras_sister.*"]), "keras_sister_cli"],
    # cli/ is at the top level of the repository but must not claim the name "cli" in anybody's environment.
    package_dir={"keras_sister_cli": "cli"},
)
