"""The text of a model card, made from the JSON of `benchmarks/trust.py` and nothing else.

Every sentence depends on its figure: where a figure is missing, the card says why, and no sentence says more than the
figures do.
"""

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from _trust_targets import Kind, found, outcomes, sizes_of

Results = Mapping[str, Any]

HEADLINES = (
    *("accuracy", "balanced_accuracy", "macro_f1", "precision", "recall", "jaccard", "auroc", "loss", "brier"),
    "calibration_error",
)
STATUSES = ("ok", "uncertain", "rejected")
RISKS = {
    "risk_of_ok": 'wrong among those "ok"',
    "risk_at_0.8": "wrong among the surest 80 %",
    "risk_at_0.9": "wrong among the surest 90 %",
    "risk_at_1.0": "wrong among all",
    "area": "area under the risk-coverage curve",
}
STRIPPED_FOLD = {"accuracy": "accuracy", "rejected": 'status "rejected"'}
STRIPPED_LGG = {
    "tumour_seen": "a tumour is seen in slices that show one",
    "tumour_free_called_so": "tumour-free slices are called tumour-free",
    "rejected": 'status "rejected"',
}
SEQUENCES = {
    "tumour_seen": "a tumour is seen",
    "sure_and_wrong": 'none is seen, with 0.9 or more and status "ok"',
    "pituitary_called_so": "pituitary tumours are called so",
    "rejected": 'status "rejected"',
}
WHERE = {
    "default": "The default weights, inside the package.",
    "accurate": "The accurate weights: a file of their own, larger and slower than the default.",
}


def card(results: Results, kind: Kind) -> str:
    """Return the card of the weights that were measured.

    Args:
        results: what `benchmarks/trust.py` wrote, with the entry `training` that `publish.py` adds.
        kind: which of the two published weights they are.
    """
    weights, training = results["weights"], results["training"]
    sections = [
        f"# Model card: {weights['name']}\n\n<!-- Written by training/card.py: change it there. -->",
        f"{WHERE[kind]} **For research only: not a medical device, and no basis for decisions about\npatients.**",
        _facts(weights, training, kind),
        f"## Data\n\n{training['data']}\n\n{training['looked']}",
        "## What was asked of them\n\n" + _targets(results, kind) + _speed(results),
        "## What fold 0 says: new patients of the same hospitals\n\n" + _fold(results["fold"], weights["classes"]),
        "## What other hospitals say\n\n" + _lgg(results["external_lgg"]),
        "## When not to trust an answer\n\n" + _trust(results),
        "## Where tumours are\n\n" + _lesions(results["lesions"], weights["thresholds"].get("lesion_above", 0.5)),
        "## Brains alone\n\n" + _stripped(results["stripped"]),
        "## Other sequences\n\n" + _sequences(results["sequences"]),
        "## Damaged slices\n\n" + _robustness(results["robustness"]),
        "## What it fails on\n\n" + _failures(results),
        "## What it must not be used for\n\n" + _misuse(results),
        "## Training\n\n" + _training(weights, training),
        f"## All figures\n\n`benchmarks/results/trust-{kind}.json` has them, with intervals; versions and thresholds "
        "too.",
    ]
    return "\n\n".join(sections) + "\n"


def said(figure: Mapping[str, Any], *, digits: int = 3) -> str:
    """Return a figure's value, or a dash."""
    return "–" if figure["value"] is None else f"{figure['value']:.{digits}f}"


def between(figure: Mapping[str, Any]) -> str:
    """Return a figure's interval, or the reason why there is no figure."""
    if figure["value"] is None:
        return figure["reason"]
    return f"{figure['low']:.3f} to {figure['high']:.3f}" if "low" in figure else ""


def of(figure: Mapping[str, Any]) -> str:
    """Return a share with what it is a share of: "12 % (6 of 50)"."""
    return f"{figure['value']:.0%} ({round(figure['value'] * figure['n'])} of {figure['n']})".replace("%", " %")


def rows(*lines: Sequence[object]) -> str:
    """Return a Markdown table; the first line is the head."""
    head, *body = [f"| {' | '.join(map(str, line))} |" for line in lines]
    return "\n".join([head, "|---" * len(lines[0]) + "|", *body])


def figures(*named: tuple[str, Mapping[str, Any]]) -> str:
    """Return a table of named figures with their intervals."""
    return rows(("figure", "value", "95 % interval"), *((name, said(f), between(f)) for name, f in named))


def _facts(weights: Results, training: Results, kind: Kind) -> str:
    network = f"{weights['backbone']}, {sizes_of(weights)} px, one channel, {weights['parameters']:,} parameters"
    return rows(
        ("", ""),
        ("classes", ", ".join(weights["classes"])),
        ("network", network + (", with a lesion head" if weights["lesion_head"] else "")),
        ("file", f"{weights['bytes'] / 1e6:.1f} MB, half precision, sha256 `{weights['sha256']}`"),
        ("trained", f"{weights['created']}, `{training['command']}`, on {training['machine']}"),
        ("measured", f"`{_command(weights['name'], kind)}` prints every figure below"),
        ("licence", f"Apache-2.0; {training['licence']}"),
    )


def _command(name: str, kind: Kind) -> str:
    weights = "default" if kind == "default" else f"weights/{name}.safetensors"
    return f"python benchmarks/trust.py --weights {weights} --target {kind}"


def _targets(results: Results, kind: Kind) -> str:
    found_out = outcomes(dict(results), kind)
    lines = [
        (
            o.title,
            o.asked or "–",
            said(o.figure, digits=4),
            between(o.figure),
            {True: "met", False: "**missed**"}.get(o.met, "–"),
        )
        for o in found_out
    ]
    missed = [o for o in found_out if o.met is False]
    asked = [o for o in found_out if o.met is not None]
    sentence = f"{len(asked) - len(missed)} of the {len(asked)} targets that were measured are met."
    return f"{sentence}\n\n" + rows(("figure", "asked", "value", "95 % interval", ""), *lines)


def _speed(results: Results) -> str:
    """Return what the faster precision costs, or nothing where it was not measured."""
    shift = found(dict(results), ("speed", "bf16", "largest_shift"))
    if shift["value"] is None:
        return ""
    mean = results["speed"]["bf16"]["mean_shift"]
    return (
        f'\n\n`precision="bf16"` moves a probability by {mean["value"]:.4f} in the mean, {shift["value"]:.3f} at most '
        f"({shift['n']} slices of fold 0; {results['speed']['machine']})."
    )


def _fold(fold: Results, classes: Sequence[str]) -> str:
    if "left_out" in fold:
        return f"Not measured: {fold['left_out']}."
    by_class = [
        (label, s["slices"], said(s["recall"]), between(s["recall"]), said(s["precision"]), said(s["specificity"]))
        for label, s in fold["by_class"].items()
    ]
    by_source = [
        (name, s["accuracy"].get("n", 0), said(s["accuracy"]), between(s["accuracy"]), said(s["wrong_about_tumour"]))
        for name, s in fold["by_source"].items()
    ]
    confusion = [(f"**{label}**", *row) for label, row in zip(classes, fold["confusion"], strict=True)]
    return "\n\n".join(
        [
            f"{fold['slices']} slices of {fold['groups']} patients or clusters of near-duplicates. 95 % intervals by "
            "bootstrap over these; that of\nthe calibration error lies too high, since resampling adds to it.\n"
            f"{fold['leakage']}",
            figures(*((name.replace("_", " "), fold[name]) for name in HEADLINES)),
            rows(("class", "slices", "recall", "95 % interval", "precision", "specificity"), *by_class),
            'By source: "figshare" are the two hospitals that most tumour slices come from, "others" the rest.',
            rows(("source", "slices", "accuracy", "95 % interval", "wrong about tumour or not"), *by_source),
            "Rows: true class; columns: answer.",
            rows(("", *classes), *confusion),
            *_copies(fold),
            "**This is not how well it does in another hospital.** Most tumour slices come from two Chinese hospitals, "
            "and the\nno-tumour slices from other scanners: to tell the source can help on fold 0 as in training.",
        ]
    )


def _copies(fold: Results) -> list[str]:
    section, lesions = fold["copies"], fold["of_lesions"]
    said_of = []
    if section["slices"]:
        by_class = ", ".join(f"{count} {label}" for label, count in section["by_class"].items() if count)
        said_of.append(
            f"**{section['slices']} of these slices are copies of pictures that the other folds hold too**, mirrored, "
            f"turned or recoloured\n({by_class}): the clusters keep copies together only as far as they lie alike. Of "
            "the others:\n\n"
            + figures(
                ("accuracy", section["others"]["accuracy"]),
                ("tumour-free slices are called tumour-free", section["others"]["tumour_free_called_so"]),
                ('status "rejected"', section["others"]["rejected"]),
            )
        )
    if lesions is not None:
        said_of.append(
            f"{lesions['slices']} slices of fold 0 that are labelled notumor show a mass, a cyst or a swelling "
            f"(`training/lesions.csv`): a tumour is\nseen in {of(lesions['tumour_seen'])} of them. To see it counts as "
            "an error, since the labels stay."
        )
    return said_of


def _lgg(lgg: Results) -> str:
    if "left_out" in lgg:
        return f"Not measured: {lgg['left_out']}."
    return "\n\n".join(
        [
            f"{lgg['patients']} patients with lower-grade glioma from five American hospitals (TCGA, not used for "
            f"training), {lgg['slices']} slices:\nthe slice with the largest tumour, and a tumour-free slice of the "
            "same volume.",
            figures(
                ("a tumour is seen in slices that show one", lgg["tumour_seen"]),
                ("the tumour is called glioma", lgg["called_glioma"]),
                ("tumour-free slices are called tumour-free", lgg["tumour_free_called_so"]),
                ("AUROC of the two", lgg["auroc"]),
                ("AUROC of the lesion map's maximum alone", lgg["auroc_of_map"]),
                ('sure (0.9 or more), status "ok", and wrong about tumour or not', lgg["sure_and_wrong"]),
                ('status "uncertain"', lgg["uncertain"]),
                ('status "rejected"', lgg["rejected"]),
            ),
            "A classifier that always saw a tumour would have 1.00 and 0.00 in the first and third row, and an AUROC "
            "of 0.50.",
        ]
    )


def _trust(results: Results) -> str:
    statuses = [(f'status "{status}"', found(dict(results), ("fold", status))) for status in STATUSES]
    wrong = [(title, found(dict(results), ("risk_coverage", name))) for name, title in RISKS.items()]
    return "\n\n".join(
        [
            "On fold 0, the share of each status, and how often answers are wrong when only the surest are given:",
            figures(*statuses, *wrong),
            *_of_ct(results["fold"]),
            _other_pictures(results["not_brain_mri"]),
            *(_sets(results["prediction_sets"], name) for name in ("fold", "external_lgg")),
        ]
    )


def _of_ct(fold: Results) -> list[str]:
    if "left_out" in fold or fold["of_ct"] is None:
        return []
    section = fold["of_ct"]
    return [
        f"{section['slices']} slices of fold 0 are of CT, whatever their label (`training/ct.csv`): of these "
        f"{of(section['rejected'])} are rejected, of the others {of(section['others_rejected'])}."
    ]


def _other_pictures(other: Results) -> str:
    if "left_out" in other:
        return f"Pictures that are no brain MR slices: not measured, {other['left_out']}."
    kinds = [(name, said(s["rejected"]), said(s["ok"]), s["ok"]["n"]) for name, s in other["by_kind"].items()]
    return (
        f"Of {other['pictures']} pictures that are no brain MR slices {of(other['rejected'])} are rejected, and "
        f'{of(other["ok"])}\nare answered with status "ok":\n\n'
        + rows(("kind", "rejected", "answered ok", "pictures"), *kinds)
    )


def _sets(sections: Results, where: str) -> str:
    name = {"fold": "fold 0", "external_lgg": "other hospitals (external_lgg)"}[where]
    section = sections if "left_out" in sections else sections[where]
    if "left_out" in section:
        return f"Prediction sets, {name}: not measured, {section['left_out']}."
    lines = [
        (asked, label, said(s["covered"]), between(s["covered"]), said(s["covered_by_group"]), said(levels["size"]))
        for asked, levels in section.items()
        for label, s in levels["by_class"].items()
    ]
    head = ("asked", "class", "true class in the set", "95 % interval", "each patient once", "mean size of all sets")
    return f"Prediction sets, {name}:\n\n{rows(head, *lines)}"


def _lesions(sections: Results, level: float) -> str:
    if "left_out" in sections:
        return f"Not measured: {sections['left_out']}."
    lines: list[tuple[str, Mapping[str, Any]]] = []
    for where, name in (("fold", "fold 0"), ("external_lgg", "external_lgg (outlines of FLAIR, not of contrast)")):
        if "left_out" in sections[where]:
            return f"Not measured: {sections[where]['left_out']}."
        lines.append((f"{name}: the map's peak lies inside the mask", sections[where]["peak_inside"]))
        lines.append((f"{name}: Dice", sections[where]["dice"]))
    return f"Of slices that have a mask; lesion is where the map exceeds {level:g}:\n\n" + figures(*lines)


def _stripped(sections: Results) -> str:
    if "left_out" in sections:
        return f"Not measured: {sections['left_out']}."
    asked = (("fold", "fold 0", STRIPPED_FOLD), ("external_lgg", "external_lgg", STRIPPED_LGG))
    lines = []
    for where, name, titles in asked:
        section = sections[where]
        if "left_out" in section:
            return f"Not measured: {section['left_out']}."
        lines += [
            (
                f"{name}: {title}",
                section[key]["n"],
                said(section[f"{key}_whole"]),
                said(section[key]),
                between(section[key]),
            )
            for key, title in titles.items()
        ]
    return (
        "Much data for research is shared without skull, scalp and face. The same slices, whole and with nothing but "
        "the\nbrain, where `mriclassify.strip` finds it (training may strip by the same means; other programs cut "
        "otherwise):\n\n" + rows(("figure", "slices", "whole", "brain alone", "95 % interval"), *lines)
    )


def _sequences(section: Results) -> str:
    if "left_out" in section:
        return f"Not measured: {section['left_out']}."
    kinds = section["by_sequence"]
    lines = [
        (title, *(f"{said(kind[key])} ({between(kind[key])})" for kind in kinds.values()))
        for key, title in SEQUENCES.items()
    ]
    header = ("figure", *(f"{name}: {kind['patients']} patients" for name, kind in kinds.items()))
    return (
        f"{section['pictures']} pictures with a tumour from the web, of many hospitals: what is in sartaj's test "
        "folders and in no other set\n(`benchmarks/sequences.csv`; sequences and tumours were told by eye). Each "
        f"patient counts once. CT slices among them are rejected in {of(section['ct_rejected'])} patients.\n\n"
        + rows(header, *lines)
    )


def _robustness(section: Results) -> str:
    if "left_out" in section:
        return f"Not measured: {section['left_out']}."
    strengths = list(section["mean"])
    lines = [
        (
            name + " \\*" * (name in section["rehearsed"]),
            *(said(levels[strength]["accuracy"]) for strength in strengths),
        )
        for name, levels in section["corruptions"].items()
    ]
    means = [
        (title, *(said(section[key][strength]["lost"]) for strength in strengths))
        for title, key in (
            ("*accuracy lost, mean of all*", "mean"),
            ("*accuracy lost, mean of those not rehearsed*", "mean_unrehearsed"),
        )
    ]
    return (
        f"Accuracy on {section['slices']} slices of fold 0 (drawn by class, always the same), which is "
        f"{said(section['clean'])} ({between(section['clean'])})\nwithout a fault; strength 3 is clearly visible "
        "(`benchmarks/corruptions.py`). A star: training rehearses the like of it, by other code and in other\n"
        "ranges; how a model bears faults that nobody thought of, the others say better.\n\n"
        + rows(("fault", *(f"strength {strength}" for strength in strengths)), *lines, *means)
    )


def _failures(results: Results) -> str:
    found_out = [
        _worst_confusion(results["fold"], results["weights"]["classes"]),
        _weakest_class(results["fold"]),
        _false_alarms(results["external_lgg"]),
        _missed(results["external_lgg"]),
        _missed_otherwise(results["sequences"]),
        _accepted(results["not_brain_mri"]),
        _worst_fault(results["robustness"]),
        _probe(results["source_probe"]),
        _disputed(results["fold"]),
    ]
    return "\n".join(f"* {sentence}" for sentence in found_out if sentence)


def _worst_confusion(fold: Results, classes: Sequence[str]) -> str:
    if "left_out" in fold:
        return ""
    counts = fold["confusion"]
    pairs = [(counts[i][j], i, j) for i in range(len(classes)) for j in range(len(classes)) if i != j]
    number, true, called = max(pairs, key=lambda pair: pair[0])
    if not number:
        return "No slice of fold 0 is called another class than its own."
    return (
        f"The most frequent confusion on fold 0: {classes[true]} called {classes[called]}, {number} of "
        f"{sum(counts[true])} slices."
    )


def _weakest_class(fold: Results) -> str:
    if "left_out" in fold:
        return ""
    recalls = {name: s["recall"] for name, s in fold["by_class"].items() if s["recall"]["value"] is not None}
    label = min(recalls, key=lambda name: recalls[name]["value"])
    return f"The class found least often on fold 0: {label}, recall {said(recalls[label])} ({between(recalls[label])})."


def _false_alarms(lgg: Results) -> str:
    if "left_out" in lgg:
        return ""
    figure = lgg["tumour_free_called_so"]
    alarms = figure | {"value": 1 - figure["value"]}
    return f"False alarms in other hospitals: it sees a tumour in {of(alarms)} tumour-free slices of external_lgg."


def _missed(lgg: Results) -> str:
    if "left_out" in lgg:
        return ""
    figure = lgg["tumour_seen"]
    missed = figure | {"value": 1 - figure["value"]}
    return f"Missed in other hospitals: it sees no tumour in {of(missed)} slices with a glioma of external_lgg."


def _missed_otherwise(section: Results) -> str:
    if "left_out" in section:
        return ""
    name, kind = min(section["by_sequence"].items(), key=lambda item: item[1]["tumour_seen"]["value"])
    figure = kind["tumour_seen"]
    missed = figure | {"value": 1 - figure["value"]}
    return f"Missed on other sequences: on {name} it sees no tumour in {of(missed)} patients from the web."


def _accepted(other: Results) -> str:
    if "left_out" in other:
        return ""
    kinds = {name: s["ok"] for name, s in other["by_kind"].items()}
    worst = max(kinds, key=lambda name: kinds[name]["value"])
    if not kinds[worst]["value"]:
        return 'None of the pictures that are no brain MR slices is answered with status "ok".'
    return f'Other pictures: of the kind "{worst}" {of(kinds[worst])} are answered with status "ok", the most of any.'


def _worst_fault(section: Results) -> str:
    if "left_out" in section:
        return ""
    lost = {name: levels["3"]["lost"] for name, levels in section["corruptions"].items()}
    worst = max(lost, key=lambda name: lost[name]["value"])
    if lost[worst]["value"] <= 0:
        return "No fault of strength 3 costs accuracy on the slices that were tried."
    return (
        f"The fault that costs most at strength 3: {worst}, {lost[worst]['value']:.3f} of accuracy "
        f"({between(lost[worst])})."
    )


def _probe(section: Results) -> str:
    if "left_out" in section:
        return ""
    figure = section["balanced_accuracy"]
    told = (
        f"tumour-free slices of fold 0 from those of external_lgg: balanced accuracy {said(figure)} "
        f"({between(figure)}), where chance is 0.5."
    )
    if figure.get("low", 0) > 0.5:
        return f"Where a slice comes from can be read from the features: a linear model tells {told}"
    return f"It could not be shown that a linear model tells {told}"


def _disputed(fold: Results) -> str:
    if "left_out" in fold:
        return ""
    disputed = fold["disputed"]
    if disputed is None:
        return "How many errors on fold 0 are errors of the labels is not known: no list of doubted ones was made."
    return (
        f"Of the {disputed['errors']} errors on fold 0 {disputed['disputed']} are on slices whose label is disputed; "
        "they count as errors above."
    )


def _misuse(results: Results) -> str:
    other = results["not_brain_mri"]
    pictures = (
        "what happens to them was not measured"
        if "left_out" in other
        else f'{of(other["ok"])} of those tried are answered with status "ok"'
    )
    return "\n".join(
        [
            "* Decisions about patients, triage, or screening.",
            f"* Pictures that are not brain MR slices: {pictures}.",
            "* Slices without contrast agent, children, slices after surgery, other tumours: not in the training data, "
            "or not\n  known.",
            "* Reading off a prevalence: no site's prior is known.",
            "* Another hospital's slices, before you have measured on labelled ones of it (`clf.recalibrate`).",
        ]
    )


def _training(weights: Results, training: Results) -> str:
    trainings = _trainings(training["stages"])
    each = list(trainings.values())
    options = [
        (
            name.replace("_", " "),
            _setting(each[0][name]),
            *(_setting(after[name]) if after[name] != before[name] else "the same" for before, after in pairwise(each)),
        )
        for name in each[0]
    ]
    versions = ", ".join(f"{library} {version}" for library, version in weights["trained_with"].items())
    numbers = [(name.replace("_", " "), _setting(value)) for name, value in weights["thresholds"].items()]
    return "\n\n".join(
        [
            training["start"],
            rows(("option", *trainings), *options),
            *_ends(training["stages"]),
            *_networks(training["networks"]),
            f"{_consensus(weights['consensus'])}Temperature {weights['temperature']:.3f}. Both are fitted to the "
            f"validation part. Versions: {versions}.",
            "Thresholds of the answers, which a user may change:",
            rows(("threshold", "value"), *numbers),
        ]
    )


def _trainings(stages: Sequence[Results]) -> dict[str, Results]:
    """Return the options of each training by its name: "stage 1", or "stage 2.1" where a stage has several."""
    return {
        f"stage {number}.{time}" if len(stage["trainings"]) > 1 else f"stage {number}": options
        for number, stage in enumerate(stages, 1)
        for time, options in enumerate(stage["trainings"], 1)
    }


def _ends(stages: Sequence[Results]) -> list[str]:
    """Return what the stages start and end with, where that is not the weights of the one before and their own."""
    parts = []
    for number, stage in enumerate(stages, 1):
        if len(stage["trainings"]) > 1:
            parts.append(f"Stage {number} is {len(stage['trainings'])} trainings from the same start.")
        if stage["also"]:
            earlier = " and ".join(map(str, stage["also"]))
            parts.append(f"Of stage {number}, the weights of stage {earlier} are part of the mean.")
    if parts:
        parts.append(
            "The mean of their weights (a model soup, Wortsman et al. 2022) is what such a stage ends with, and the "
            "next one starts with."
        )
    for number, stage in enumerate(stages, 1):
        if stage["start"] is not None:
            parts.append(f"Stage {number} starts with the weights of stage {stage['start']}.")
        if stage["size"] is not None:
            parts.append(f"From stage {number} on, images have {stage['size']} px.")
        if stage["taught"]:
            parts.append(
                f"In stage {number}, a teacher's answers and lesion maps are learnt beside labels and masks "
                "(distillation, Hinton et al. 2015)."
            )
    return [" ".join([*parts, "What the last stage ends with is shipped."])] if parts else []


def _networks(networks: Sequence[Results]) -> list[str]:
    """Return what is said of networks that answer together."""
    if not networks:
        return []
    lines = [f"* {'; '.join(f'{name}: {_setting(value)}' for name, value in network.items())}" for network in networks]
    first = "That is one of the networks. Those that answer together with it differ from it in:"
    return [first, "\n".join(lines)]


def _consensus(consensus: Results | None) -> str:
    """Return how class head and lesion map go together."""
    if consensus is None:
        return "Whether there is a tumour, the class head says alone. "
    return (
        f"Log-odds of a tumour: {consensus['head']:.3f} times the class head's, {consensus['lesion_map']:+.3f} times "
        f"the lesion map's highest logit, {consensus['shift']:+.3f}. "
    )


def _setting(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name.replace('_', ' ')} {_setting(entry)}" for name, entry in value.items())
    return json.dumps(value) if isinstance(value, list) else str(value)


def readme_block(results: Results) -> str:
    """Return the figures of the default weights as they stand in README.md, between its two markers."""
    fold = results["fold"]
    new = f"fold 0: {fold['slices']} slices of {fold['groups']} new patients"
    copies = fold["copies"]["slices"]
    lines = [
        (f"{new}, same hospitals: accuracy", "fold", "accuracy"),
        (f"the same without {copies} copies of training pictures", "fold", "copies", "others", "accuracy"),
        ("other hospitals, slices with glioma: a tumour is seen", "external_lgg", "tumour_seen"),
        ("other hospitals, tumour-free slices: called so", "external_lgg", "tumour_free_called_so"),
        ('other hospitals: 0.9 or more, "ok", and wrong about tumour or not', "external_lgg", "sure_and_wrong"),
        ("pictures that are no brain MR slices: rejected", "not_brain_mri", "rejected"),
    ]
    shown = [(title, found(dict(results), tuple(path))) for title, *path in lines]
    table = rows(
        ("the default weights, on", "figure", "95 % interval"),
        *((title, said(figure), between(figure)) for title, figure in shown),
    )
    return f"""<!-- figures: begin (training/publish.py) -->
{table}

`python benchmarks/trust.py` prints them; the [model card](docs/models/default.md) says what they mean.
<!-- figures: end -->"""
