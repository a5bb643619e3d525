"""`training/card.py`: the card says what the figures say, and nothing where there are none."""

import importlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from mriclassify import TrainingOptions

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
CLASSES = ["glioma", "meningioma", "notumor", "pituitary"]

pytestmark = pytest.mark.skipif(not (ROOT / "training").exists(), reason="needs the repository's scripts")


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    for folder in ("benchmarks", "training"):
        monkeypatch.syspath_prepend(str(ROOT / folder))
    return importlib.import_module


def figure(value: float, n: int = 50) -> dict[str, Any]:
    return {"value": value, "low": value - 0.01, "high": value + 0.01, "n": n}


def results() -> dict[str, Any]:
    statuses = {name: figure(value) for name, value in (("ok", 0.9), ("uncertain", 0.09), ("rejected", 0.01))}
    headlines = "accuracy balanced_accuracy macro_f1 precision recall jaccard auroc loss brier calibration_error"
    by_class = {
        label: {"slices": 40, **{name: figure(0.9 - i / 20) for name in ("recall", "precision", "specificity")}}
        for i, label in enumerate(CLASSES)
    }
    source = {name: figure(0.93) for name in ("accuracy", "wrong_about_tumour", "uncertain", "rejected")}
    covered = {"covered": figure(0.91), "covered_by_group": figure(0.92)}
    sets = {"size": figure(1.2), "by_class": dict.fromkeys(CLASSES, covered)}
    return {
        "weights": {
            "name": "net.test-v1",
            "sha256": "0" * 64,
            "bytes": 5_000_000,
            "backbone": "net",
            "parameters": 1000,
            "lesion_head": True,
            "classes": CLASSES,
            "sizes": [192],
            "consensus": {"healthy": 2, "head": 0.5, "lesion_map": 0.25, "shift": -0.75},
            "temperature": 0.9,
            "created": "2026-11-21",
            "thresholds": {"uncertain_below": 0.6},
            "trained_with": {"torch": "2.15.0"},
        },
        "training": {
            "command": "python training/train_default.py",
            "machine": "two CPU cores",
            "start": "ImageNet weights,",
            "licence": "MIT",
            "looked": "Nobody looked.",
            "stages": [
                {
                    "trainings": [{"epochs": 3, "augmentation": {"gamma": 0.4}}],
                    "also": [],
                    "start": None,
                    "taught": False,
                    "size": None,
                },
                {
                    "trainings": [{"epochs": 1, "augmentation": {"gamma": 0.4}}],
                    "also": [],
                    "start": None,
                    "taught": False,
                    "size": None,
                },
            ],
            "networks": [],
            "data": "Slices.",
        },
        "fold": {
            "slices": 160,
            "groups": 60,
            "leakage": "No leak.",
            "disputed": None,
            "of_ct": None,
            "of_lesions": None,
            "copies": {
                "slices": 0,
                "by_class": {"glioma": 0, "notumor": 0},
                "others": {name: figure(0.9) for name in ("accuracy", "tumour_free_called_so", "rejected")},
            },
            **{name: figure(0.9) for name in headlines.split()},
            "by_class": by_class,
            "by_source": {"figshare": source, "others": source},
            **statuses,
            "confusion": [[38, 2, 0, 0], [0, 33, 7, 0], [0, 0, 40, 0], [1, 0, 0, 39]],
        },
        "external_lgg": {
            "slices": 99,
            "patients": 50,
            **statuses,
            "auroc_of_map": {"value": None, "reason": "no map"},
            "tumour_seen": figure(0.86),
            "tumour_free_called_so": figure(0.7),
            "called_glioma": figure(0.6),
            "auroc": figure(0.8),
            "sure_and_wrong": figure(0.02),
        },
        "not_brain_mri": {
            "pictures": 390,
            **statuses,
            "by_kind": {"Hand": {"ok": figure(0.5, 40), "rejected": figure(0.5, 40)}},
        },
        "prediction_sets": {
            "worst_gap": {"value": 0.02, "n": 40},
            "fold": {"0.90": sets, "0.95": sets},
            "external_lgg": {"0.90": sets, "0.95": sets},
        },
        "risk_coverage": {
            name: figure(0.03)
            for name in ("area", "risk_at_0.8", "risk_at_0.9", "risk_at_1.0", "share_ok", "risk_of_ok")
        },
        "lesions": {name: {"peak_inside": figure(0.9), "dice": figure(0.7)} for name in ("fold", "external_lgg")},
        "stripped": {
            "fold": {
                name: figure(value)
                for name, value in (
                    *(("accuracy", 0.93), ("accuracy_whole", 0.95)),
                    *(("rejected", 0.04), ("rejected_whole", 0.0)),
                )
            },
            "external_lgg": {
                name: figure(value, 30)
                for name, value in (
                    *(("tumour_seen", 0.77), ("tumour_seen_whole", 0.83), ("rejected", 0.1), ("rejected_whole", 0.02)),
                    *(("tumour_free_called_so", 0.88), ("tumour_free_called_so_whole", 0.9)),
                )
            },
        },
        "sequences": {
            "pictures": 60,
            "ct_rejected": figure(0.5, 2),
            "by_sequence": {
                name: {"patients": 12}
                | {
                    key: figure(value, 12)
                    for key, value in (
                        *(("tumour_seen", seen), ("sure_and_wrong", 0.1)),
                        *(("pituitary_called_so", 0.8), ("rejected", 0.05)),
                    )
                }
                for name, seen in (("T1", 0.91), ("T2 and FLAIR", 0.52))
            },
        },
        "source_probe": {"balanced_accuracy": figure(0.8)},
        "robustness": {
            "slices": 200,
            "clean": figure(0.95),
            "mean": {"3": {"lost": figure(0.05)}},
            "mean_unrehearsed": {"3": {"lost": figure(0.07)}},
            "rehearsed": ["spike"],
            "corruptions": {
                name: {"3": {"accuracy": figure(0.95 - lost), "lost": figure(lost)}}
                for name, lost in (("spike", 0.2), ("blur", 0.01))
            },
        },
        "speed": {"file_to_answer": {"value": 7.5, "n": 64}},
    }


def test_the_card_has_the_figures_and_names_the_command(script: Callable[[str], ModuleType]) -> None:
    text = script("card").card(results(), "default")
    assert text.startswith("# Model card: net.test-v1\n")
    assert "| a tumour is seen in slices that show one | 0.860 | 0.850 to 0.870 |" in text
    assert "| 0.7000 | 0.690 to 0.710 | **missed** |" in text
    assert "`python benchmarks/trust.py --weights default --target default` prints" in text
    assert "| option | stage 1 | stage 2 |" in text
    assert "| epochs | 3 | 1 |" in text
    assert "| augmentation | gamma 0.4 | the same |" in text
    assert "| fold 0: accuracy | 50 | 0.950 | 0.930 | 0.920 to 0.940 |" in text
    assert "| external_lgg: a tumour is seen in slices that show one | 30 | 0.830 | 0.770 | 0.760 to 0.780 |" in text
    assert "| figure | T1: 12 patients | T2 and FLAIR: 12 patients |" in text
    assert "| a tumour is seen | 0.910 (0.900 to 0.920) | 0.520 (0.510 to 0.530) |" in text
    assert "not a medical device" in text


def test_the_card_says_of_how_many_trainings_the_weights_are_the_mean(script: Callable[[str], ModuleType]) -> None:
    assert "model soup" not in script("card").card(results(), "default")
    found = results()
    (once,) = found["training"]["stages"][1]["trainings"]
    found["training"]["stages"][1]["trainings"] = [once, once | {"epochs": 2}]
    text = script("card").card(found, "default")
    assert "\nStage 2 is 2 trainings from the same start. The mean of their weights" in text
    assert "| option | stage 1 | stage 2.1 | stage 2.2 |" in text
    assert "| epochs | 3 | 1 | 2 |" in text
    assert "started with" not in text
    found["training"]["stages"][1] |= {"trainings": [once], "also": [1]}
    text = script("card").card(found, "default")
    assert "\nOf stage 2, the weights of stage 1 are part of the mean. The mean of their weights" in text


def test_the_card_says_what_becomes_of_ct_in_the_fold(script: Callable[[str], ModuleType]) -> None:
    assert "are of CT" not in script("card").card(results(), "default")
    found = results()
    found["fold"]["of_ct"] = {"slices": 5, "rejected": figure(0.8, 5), "others_rejected": figure(0.01, 100)}
    text = script("card").card(found, "default")
    assert "\n5 slices of fold 0 are of CT, whatever their label (`training/ct.csv`)" in text
    assert ": of these 80 % (4 of 5) are rejected, of the others 1 % (1 of 100).\n" in text


def test_the_card_says_which_slices_of_the_fold_are_copies_and_which_show_lesions_that_are_called_none(
    script: Callable[[str], ModuleType],
) -> None:
    text = script("card").card(results(), "default")
    assert "copies of pictures" not in text
    found = results()
    found["fold"]["copies"] |= {"slices": 30, "by_class": {"glioma": 0, "notumor": 30}}
    found["fold"]["copies"]["others"]["accuracy"] = figure(0.85, 130)
    found["fold"]["of_lesions"] = {"slices": 10, "tumour_seen": figure(0.3, 10)}
    text = script("card").card(found, "default")
    assert "\nNo leak.\n" in text
    assert "**30 of these slices are copies of pictures that the other folds hold too**" in text
    assert "(30 notumor): the clusters keep" in text
    assert "Of the others:\n\n| figure | value | 95 % interval |\n|---|---|---|\n| accuracy | 0.850 |" in text
    assert "\n10 slices of fold 0 that are labelled notumor show a mass, a cyst or a swelling" in text
    assert "a tumour is\nseen in 30 % (3 of 10) of them" in text


def test_the_card_says_where_a_stage_starts_and_what_it_is_taught_by(script: Callable[[str], ModuleType]) -> None:
    assert "shipped." not in script("card").card(results(), "default")
    found = results()
    found["training"]["stages"].append(found["training"]["stages"][1] | {"start": 1, "taught": True, "size": 288})
    text = script("card").card(found, "default")
    assert "\nStage 3 starts with the weights of stage 1. From stage 3 on, images have 288 px. In stage 3, a" in text
    assert "(distillation, Hinton et al. 2015). What the last stage ends with is shipped.\n" in text
    assert "model soup" not in text


def test_the_card_says_in_what_networks_that_answer_together_differ(script: Callable[[str], ModuleType]) -> None:
    assert "answer together" not in script("card").card(results(), "accurate")
    found = results()
    found["training"]["networks"] = [{"size": 192, "stage 1": {"training 1": {"epochs": 2}}}, {"backbone": "net2"}]
    text = script("card").card(found, "accurate")
    assert (
        "Those that answer together with it differ from it in:\n\n* size: 192; stage 1: training 1 epochs 2\n" in text
    )
    assert "\n* backbone: net2\n" in text


def test_a_recipe_is_told_by_what_it_changes(script: Callable[[str], ModuleType]) -> None:
    recipe, publish = script("recipe"), script("publish")
    options = TrainingOptions(epochs=5)
    usual = recipe.Recipe(backbone="net", size=224, stages=(recipe.Stage((options,)), recipe.Stage((options, options))))
    assert publish._differences(publish._flat(usual), publish._flat(usual)) == {}
    other = replace(usual, size=192, stages=(recipe.Stage((replace(options, epochs=4),)), recipe.Stage((options,))))
    assert publish._differences(publish._flat(other), publish._flat(usual)) == {
        "size": 192,
        "stage 1": {"training 1": {"epochs": 4}},
        "stage 2": {"trainings": 1},
    }
    finer = replace(usual, stages=(usual.stages[0], replace(usual.stages[1], size=288)))
    assert publish._differences(publish._flat(finer), publish._flat(usual)) == {"stage 2": {"size": 288}}


def test_the_card_says_what_the_faster_precision_costs(script: Callable[[str], ModuleType]) -> None:
    assert "bf16" not in script("card").card(results(), "default").replace('with precision="bf16"', "")
    found = results()
    found["speed"] |= {
        "machine": "a machine",
        "bf16": {
            "file_to_answer": {"value": 11.0, "n": 64},
            "mean_shift": {"value": 0.0011, "n": 64},
            "largest_shift": {"value": 0.02, "n": 64},
        },
    }
    text = script("card").card(found, "default")
    assert "moves a probability by 0.0011 in the mean, 0.020 at most (64 slices of fold 0; a machine)." in text
    assert "| 11.0000 |" in text


def test_what_it_fails_on_follows_the_figures(script: Callable[[str], ModuleType]) -> None:
    found = results()
    text = script("card").card(found, "default")
    assert "meningioma called notumor, 7 of 40 slices" in text
    assert "costs most at strength 3: spike, 0.200" in text
    assert "it sees a tumour in 30 % (15 of 50) tumour-free slices" in text
    assert 'of the kind "Hand" 50 % (20 of 40)' in text
    assert "on T2 and FLAIR it sees no tumour in 48 % (6 of 12) patients from the web" in text
    assert "no list of doubted ones" in text
    assert "| spike \\* | 0.750 |" in text
    assert "| blur | 0.940 |" in text
    assert "| *accuracy lost, mean of those not rehearsed* | 0.070 |" in text

    found["fold"]["confusion"] = [[40 * (i == j) for j in range(4)] for i in range(4)]
    found["fold"]["disputed"] = {"errors": 9, "disputed": 4}
    found["not_brain_mri"]["by_kind"]["Hand"]["ok"] = figure(0, 40)
    found["source_probe"]["balanced_accuracy"] = figure(0.5)
    for levels in found["robustness"]["corruptions"].values():
        levels["3"]["lost"] = figure(0.0)
    text = script("card").card(found, "default")
    assert "No slice of fold 0 is called another class" in text
    assert "Of the 9 errors on fold 0 4 are" in text
    assert 'None of the pictures that are no brain MR slices is answered with status "ok"' in text
    assert "It could not be shown that" in text
    assert "No fault of strength 3 costs accuracy" in text


@pytest.mark.parametrize("section", sorted({*results()} - {"weights", "training"}))
def test_a_section_that_was_left_out_says_why(script: Callable[[str], ModuleType], section: str) -> None:
    found = results() | {section: {"left_out": "the dog ate it"}}
    text = script("card").card(found, "default")
    if section != "source_probe":  # about which the card then has no sentence
        assert "the dog ate it" in text


def test_the_same_figures_may_be_enough_for_one_and_not_for_the_other(script: Callable[[str], ModuleType]) -> None:
    outcomes = script("_trust_targets").outcomes
    met = {kind: {o.title: o.met for o in outcomes(results(), kind)} for kind in ("default", "accurate")}
    assert met["default"]["external_lgg: tumour seen"] is True
    assert met["accurate"]["external_lgg: tumour seen"] is False
    assert met["default"]["fold 0 rejected"] is True


def test_a_check_lets_one_slice_change_sides_and_no_more(script: Callable[[str], ModuleType]) -> None:
    differences = script("publish").differences
    stated = {"a": {"b": {"value": 0.5, "n": 50}, "c": {"value": None}}, "d": {"value": 0.9, "n": 5000}}
    assert not list(differences(stated, stated))
    assert not list(differences(stated, {"a": {"b": {"value": 0.52, "n": 50}}}))
    (line,) = differences(stated, {"a": {"b": {"value": 0.54, "n": 50}}})
    assert line == "a b: 0.5 is written down, measured 0.54"
    assert len(list(differences(stated, {"a": {"c": {"value": 0.1, "n": 5}}, "d": {"value": 0.91, "n": 5000}}))) == 2
    assert len(list(differences({}, stated))) == 2
    assert not list(differences(stated, {"a": {"left_out": "not asked for"}}))


def test_readme_figures_stand_between_the_markers(script: Callable[[str], ModuleType]) -> None:
    block = script("card").readme_block(results())
    text = script("publish").with_figures((ROOT / "README.md").read_text(), block)
    assert block in text
    assert script("publish").with_figures(text, block) == text


@pytest.mark.parametrize("file", sorted(RESULTS.glob("trust-*.json")), ids=lambda file: file.stem)
def test_published_cards_are_made_of_the_figures_beside_them(script: Callable[[str], ModuleType], file: Path) -> None:
    kind, found = file.stem.removeprefix("trust-"), json.loads(file.read_text())
    assert (ROOT / "docs" / "models" / f"{kind}.md").read_text() == script("card").card(found, kind)
    if kind == "default":
        assert script("card").readme_block(found) in (ROOT / "README.md").read_text()


def test_what_travels_in_the_weights_says_what_they_are(script: Callable[[str], ModuleType]) -> None:
    found = results()
    found["weights"] |= {"backbone": "net+net", "sizes": [192, 224]}
    summary = script("publish")._summary(found)
    assert summary == "net+net on 192, 224 pixels, with a lesion head; validated and tested by patient."
