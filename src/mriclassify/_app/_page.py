"""Page: the parts that Gradio draws, and what happens when they are used."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mriclassify._app._answers import model_html, opacity_of, said_html, welcome_html
from mriclassify._app._desk import Desk, View
from mriclassify._app._uploads import MOST_BYTES, MOST_FILES, megabytes, too_large, too_many
from mriclassify._pages import page

if TYPE_CHECKING:
    from gradio import Blocks

OPACITY = 50
"""Per cent, at first."""

LAYERS = {"Heat map": "heat", "Lesion map": "lesion", "None": "none"}

WAITING = 20
"""Requests that may wait for the network; more are told to come again."""

BROOM = (60, 600)
"""Every so many seconds Gradio deletes files of its own that are so many seconds old; uploads are gone long before."""

_HERE = Path(__file__).parent


def style() -> str:
    """Return the page's CSS."""
    return (_HERE / "page.css").read_text(encoding="utf-8")


def script() -> str:
    """Return the page's own script, for its head: names for screen readers, and limits before anything is sent."""
    return page(
        "app_script.html",
        most_bytes=MOST_BYTES,
        most_files=MOST_FILES,
        too_large=too_large(0).replace(megabytes(0), "{size}", 1),
        too_many=too_many(-1).replace("-1", "{count}", 1),
    )


def theme() -> Any:
    """Return colours and letters of the page: those of the system, since no font is fetched."""
    import gradio as gr

    return gr.themes.Base(
        primary_hue=gr.themes.colors.blue,
        neutral_hue=gr.themes.colors.slate,
        radius_size=gr.themes.sizes.radius_sm,
        font=["system-ui", "Segoe UI", "DejaVu Sans", "sans-serif"],
        font_mono=["ui-monospace", "DejaVu Sans Mono", "monospace"],
    )


def build(desk: Desk) -> "Blocks":
    """Return the page; what is asked of it goes to `desk`."""
    import gradio as gr

    has_lesions = desk.clf.bundle.network.lesion_head is not None
    layers = [name for name, layer in LAYERS.items() if layer != "lesion" or has_lesions]
    with gr.Blocks(title="mriclassify", analytics_enabled=False, delete_cache=BROOM) as blocks:
        gr.HTML(page("app_notice.html"), elem_id="notice")
        gr.HTML(page("app_title.html"), elem_id="title")
        with gr.Row(elem_id="columns"):
            with gr.Column(scale=4, min_width=320):
                files = gr.File(file_count="multiple", label="Scans", height=170, elem_id="files")
                said = gr.HTML("", elem_id="said")
                rows = gr.Radio([], label="Answers", visible=False, elem_id="rows", type="index")
                with gr.Accordion("About the model", open=True, elem_id="model"):
                    gr.HTML(model_html(desk.clf.bundle))
            with gr.Column(scale=6, min_width=360):
                answer = gr.HTML(welcome_html(), elem_id="answer")
                with gr.Group(visible=False, elem_id="controls") as controls:
                    number = gr.Slider(
                        1, 2, value=1, step=1, label="Slice", visible=False, elem_id="number", buttons=[]
                    )
                    with gr.Row():
                        layer = gr.Radio(layers, value=layers[0], label="Map over the slice", scale=3, elem_id="layer")
                        opacity = gr.Slider(
                            0,
                            100,
                            value=OPACITY,
                            step=5,
                            label="Opacity of the map, %",
                            scale=2,
                            elem_id="opacity",
                            buttons=[],
                        )
                picture = gr.HTML("", elem_id="picture")

        outputs = [files, said, rows, answer, controls, number, picture]
        painting = [layer, opacity]

        def drop(dropped: Any, layer: str, opacity: float, request: gr.Request) -> Iterator[list[Any]]:
            painted = _painted(layer, opacity)
            for step in desk.drop(_key(request), dropped or [], **painted):
                yield (
                    [gr.skip(), said_html(step), *[gr.skip()] * 5] if isinstance(step, str) else [None, *updates(step)]
                )

        def choose(chosen: int | None, layer: str, opacity: float, request: gr.Request) -> list[Any]:
            return updates(desk.choose(_key(request), chosen or 0, **_painted(layer, opacity)), is_new=False)

        def scroll(number: float, layer: str, opacity: float, request: gr.Request) -> list[Any]:
            return painted_again(desk.scroll(_key(request), round(number) - 1, **_painted(layer, opacity)))

        def repaint(layer: str, opacity: float, request: gr.Request) -> list[Any]:
            return painted_again(desk.repaint(_key(request), **_painted(layer, opacity)))

        def leave(request: gr.Request) -> None:
            desk.visits.end(_key(request))

        def updates(view: View, *, is_new: bool = True) -> list[Any]:
            return [
                said_html(view.said, is_shown=not view.rows) if view.said else gr.skip(),
                gr.Radio(
                    choices=list(view.rows),
                    value=view.rows[view.chosen] if view.rows else None,
                    visible=len(view.rows) > 1,
                )
                if is_new or not view.rows
                else gr.skip(),
                view.answer,
                gr.Group(visible=view.has_picture),
                gr.Slider(
                    maximum=max(2, view.count),
                    value=view.number + 1,
                    label=f"Slice (of {view.count})",
                    visible=view.count > 1,
                ),
                view.picture,
            ]

        def painted_again(view: View) -> list[Any]:
            said = said_html(view.said, is_shown=not view.rows) if view.said else gr.skip()
            return [said, gr.skip() if view.picture else view.answer, view.picture]

        shared: dict[str, Any] = {"api_visibility": "private", "concurrency_id": "network", "concurrency_limit": 1}
        again: dict[str, Any] = {**shared, "show_progress": "hidden", "trigger_mode": "always_last"}
        files.upload(drop, [files, *painting], outputs, preprocess=False, show_progress_on=[answer], **shared)
        rows.input(choose, [rows, *painting], outputs[1:], show_progress="hidden", **shared)
        number.input(scroll, [number, *painting], [said, answer, picture], **again)
        layer.input(repaint, painting, [said, answer, picture], **again)
        opacity.input(repaint, painting, [said, answer, picture], **again)
        blocks.unload(leave)
    blocks.queue(max_size=WAITING, api_open=False)
    return blocks


def _key(request: Any) -> str:
    """Return what a page is known by."""
    return str(request.session_hash)


def _painted(layer: str, opacity: float) -> dict[str, Any]:
    return {"layer": LAYERS.get(layer, "heat"), "opacity": opacity_of(opacity)}
