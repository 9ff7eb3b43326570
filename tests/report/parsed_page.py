"""An HTML page as its tables, links and pictures, by the standard library's parser."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

_VOID = {"meta", "link", "img", "br"}


@dataclass
class Element:
    tag: str
    attributes: dict[str, str]
    children: list["Element | str"] = field(default_factory=list)

    def all(self, *tags: str) -> list["Element"]:
        found = []
        for child in self.children:
            if isinstance(child, Element):
                found += [child] * (child.tag in tags or not tags) + child.all(*tags)
        return found

    @property
    def text(self) -> str:
        parts = [c if isinstance(c, str) else c.text for c in self.children]
        return " ".join(" ".join(parts).split())

    @property
    def class_name(self) -> str:
        return self.attributes.get("class", "")


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open = [Element("document", {})]

    def handle_starttag(self, tag: str, attrs: list) -> None:
        element = Element(tag, dict(attrs))
        self.open[-1].children.append(element)
        if tag not in _VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list) -> None:
        self.open[-1].children.append(Element(tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop().tag == tag, f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def parse(html: str) -> Element:
    parser = _Parser()
    parser.feed(html)
    parser.close()
    assert len(parser.open) == 1, "an element is not closed"
    return parser.open[0]


def table(page: Element, caption: str) -> dict[str, list[str]]:
    """The body and foot of the one table with this caption: cells by the heading of their row."""
    (found,) = [t for t in page.all("table") if t.all("caption")[0].text.startswith(caption)]
    rows = [[cell.text for cell in row.all("th", "td")] for row in found.all("tr")][1:]
    return {row[0]: row[1:] for row in rows}
