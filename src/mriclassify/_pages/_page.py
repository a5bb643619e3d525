"""Page: a template and values become HTML."""

import base64
from functools import cache
from typing import TYPE_CHECKING

from mriclassify._notice import NOTICE

if TYPE_CHECKING:
    from jinja2 import Environment


def page(template: str, **values: object) -> str:
    """Return a page.

    Values are escaped: names of files and classes are users' own. The page's own policy forbids it to load anything
    from elsewhere (base.html).

    Args:
        template: name of a file in `templates/`, which extends base.html.
        values: what the template names; one that is missing is an error.
    """
    # Lone surrogates, as in names of files that are no UTF-8, can't be written.
    html = _environment().get_template(template).render(notice=NOTICE, **values)
    return html.encode("utf-8", "replace").decode("utf-8")


def data_uri(content: bytes, kind: str = "image/png") -> str:
    """Return an address that holds the content itself."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined  # only pages need it

    return Environment(
        loader=PackageLoader("mriclassify._pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
