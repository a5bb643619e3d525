"""What is said of an answer, in words and without markup of its own."""

from mriclassify import Prediction
from mriclassify._app._answers import answer_html, opacity_of, row_of, said
from mriclassify._app._scans import Scan
from mriclassify._app._uploads import Upload
from mriclassify._app._visits import Visit
from mriclassify._model._prediction import Status


def prediction(status: Status, *reasons: str) -> Prediction:
    is_read = status != "error"
    return Prediction(
        source="scan",
        label="glioma" if is_read else None,
        confidence=0.75 if is_read else None,
        probabilities={"glioma": 0.75, "notumor": 0.25} if is_read else {},
        status=status,
        reasons=reasons,
    )


def visit(answer: Prediction, name: str = "scan.png") -> Visit:
    return Visit([Scan(name=name, upload=Upload(name, b""))], [answer])


def test_status_and_reasons_are_words() -> None:
    html = answer_html(visit(prediction("uncertain", "The confidence of 0.75 is below 0.80.")))
    assert "Status: Uncertain." in html
    assert "Do not rely on this answer." in html
    assert "The confidence of 0.75 is below 0.80." in html
    assert html.index("75.0 %") < html.index("25.0 %")


def test_a_rejected_slice_has_no_class_in_its_headline() -> None:
    html = answer_html(visit(prediction("rejected", "It has colours.")))
    headline = html.split("<h2")[1].split("</h2>")[0]
    assert "No answer to rely on" in headline
    assert "glioma" not in headline
    assert "do not use it" in html


def test_names_and_reasons_are_escaped() -> None:
    html = answer_html(visit(prediction("error", "<b>bad</b>"), "<script>x.png"))
    assert "<script>" not in html
    assert "<b>bad" not in html


def test_a_row_says_class_and_status_but_no_class_of_a_rejected_slice() -> None:
    assert row_of(1, "a.png", prediction("ok")) == "1. a.png · glioma 75.0 % · OK"
    assert row_of(2, "a.png", prediction("rejected")) == "2. a.png · Rejected"
    assert row_of(3, "a.png", prediction("error")) == "3. a.png · Not read"


def test_what_is_read_out_counts_the_answers() -> None:
    answers = [prediction("ok"), prediction("ok"), prediction("error")]
    assert said(["a", "b", "c"], answers).startswith("3 answers: 2 ok, 1 not read.")
    assert said(["a"], answers[:1]).startswith("a: glioma, 75.0 %. OK.")
    assert "glioma" not in said(["a"], [prediction("rejected", "It has colours.")])


def test_opacity_is_a_share() -> None:
    assert opacity_of(50) == 0.5
