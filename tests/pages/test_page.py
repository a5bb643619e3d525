import base64
import re

import pytest
from jinja2 import UndefinedError

from mriclassify._notice import NOTICE
from mriclassify._pages import data_uri, page


def test_every_page_shows_the_notice_and_forbids_itself_other_servers() -> None:
    html = page("base.html")
    assert NOTICE in html
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', html)
    assert "default-src 'none'" in policy
    assert "http" not in policy
    assert not re.search(r'(src|href)="(https?:)?//', html)


def test_a_value_that_a_template_needs_is_not_left_out_silently() -> None:
    with pytest.raises(UndefinedError):
        page("report.html")


def test_a_data_uri_holds_the_content() -> None:
    head, _, body = data_uri(b"\x89PNG").partition(",")
    assert head == "data:image/png;base64"
    assert base64.b64decode(body) == b"\x89PNG"
