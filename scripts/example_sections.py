"""A Griffe extension for the site: the docstring section "Example:" is shown as code, as "Examples:" is."""

import re
from typing import Any

import griffe

_EXAMPLE = re.compile(r"^Example:$", flags=re.MULTILINE)


class ExampleSections(griffe.Extension):
    """Rename the section before the docstring is parsed; Griffe shows "Example:" as text."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring:
            obj.docstring.value = _EXAMPLE.sub("Examples:", obj.docstring.value)
