"""The audit in words: each problem with what to do about it, and a page for a terminal."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING

from mriclassify._data._audit._findings import UNEVEN_RATIO, Finding
from mriclassify._labels import NO_TUMOUR

if TYPE_CHECKING:
    from mriclassify._data._audit._findings import Audit, PartLeak, Shortcut, Told

WIDTH = 96
INDENT = "   "

_PARTS = {"train": "training", "validation": "validation"}

FAMILIES = ("borders", "corners", "margins", "grey levels", "dimensions", "file size")
"""As the sentence names them; the shortcut test sorts them by what they tell."""


def findings(audit: "Audit") -> tuple[Finding, ...]:
    """Return the problems, worst first."""
    return (
        *_leaks(audit),
        *_conflicts(audit),
        *_two_groups(audit),
        *_shortcuts(audit),
        *_known_labels(audit),
        *_suspects(audit),
        *_unreadable(audit),
        *_duplicates(audit),
        *_groups(audit),
        *_balance(audit),
    )


def as_text(audit: "Audit") -> str:
    """Write some 30 lines of plain text, less than 100 characters wide."""
    found = findings(audit)
    counts = ", ".join(f"{label} {count:,}" for label, count in audit.counts.items())
    head = f"{_problems(len(found))}, worst first:" if len(found) > 1 else f"{_problems(len(found))}{':' * len(found)}"
    lines = [
        *wrap(f"Audit of {_count(audit.n, 'slice')}: {counts}", WIDTH),
        *wrap(_groups_in_words(audit), WIDTH),
        head,
    ]
    for number, finding in enumerate(found, start=1):
        lines += _item(f"{number}. ", finding.sentence)
        lines += _item(f"{INDENT}Do: ", finding.advice)
    lines += ["", *_class_lines(audit)]
    for note in notes(audit):
        lines += _item("* ", note)
    return "\n".join(lines)


def notes(audit: "Audit") -> tuple[str, ...]:
    """Return what is worth knowing and no problem in itself."""
    return (*_known_note(audit), *_near_note(audit), *_shortcut_note(audit), *_suspects_note(audit))


def shortcut_sentence(shortcut: "Shortcut") -> str:
    """Say what the shortcut test found."""
    told = shortcut.overall
    names = [name for name in FAMILIES if name in shortcut.families]
    best, best_told = next(iter(shortcut.families.items()))
    alone = f", from {best} alone in {_percent(best_told.balanced_accuracy)}" if told.tells else ""
    end = ": a network can learn the same shortcut." if shortcut.tells else "."
    return (
        f"From {_listed(names)} alone, none of which shows a tumour, a small model tells the class right in "
        f"{_percent(told.balanced_accuracy)} of cases ({_percent(told.chance)} by chance; 95 % interval "
        f"{_interval(told)}){alone}{_one_class(shortcut)}{end}"
    )


def _one_class(shortcut: "Shortcut") -> str:
    """The class that is told from the rest: no tumour, which often comes from elsewhere, or else the best told."""
    telling = {label: told.balanced_accuracy for label, told in shortcut.one_vs_rest.items() if told.tells}
    if len(shortcut.classes) < 3 or not telling:
        return ""
    label = NO_TUMOUR if NO_TUMOUR in telling else max(telling, key=lambda label: telling[label])
    return f"; {label} from the rest in {_percent(telling[label])} (50 % by chance)"


def _leaks(audit: "Audit") -> Iterable[Finding]:
    for leak in audit.leaks:
        yield Finding(
            kind="leak",
            sentence=_leak_sentence(leak),
            advice=(
                "split anew with split() or folds(), which keep groups together; or keep the published test part and "
                "train on train.without_groups_of(test). Figures on the published parts are too good."
                if leak.part == "test"
                else "split anew with split(): a choice of epoch or settings by this part is flattered."
            ),
        )


def _leak_sentence(leak: "PartLeak") -> str:
    copies = f", and {leak.copies:,} {_has(leak.copies)} the very pixels of one" if leak.copies else ""
    return (
        f"LEAK: {leak.slices:,} of {leak.n:,} {leak.part} slices ({_percent(leak.share, digits=1)}) share a patient or "
        f"near-duplicates with {_PARTS[leak.other]} slices{copies}."
    )


def _conflicts(audit: "Audit") -> Iterable[Finding]:
    exact = [conflict for conflict in audit.label_conflicts if conflict.exact]
    near = [conflict for conflict in audit.label_conflicts if not conflict.exact]
    if exact:
        slices = sum(len(conflict.paths) for conflict in exact)
        yield Finding(
            kind="conflict",
            sentence=(
                f"{_count(len(exact), 'picture')}, in {slices:,} files, {_is(len(exact))} labelled as different "
                f"classes, such as {_pair(exact[0].paths, exact[0].labels)}."
            ),
            advice="find out which label is right, or leave all of them out with filter(): one of two is wrong.",
        )
    if near:
        slices = sum(len(conflict.paths) for conflict in near)
        yield Finding(
            kind="conflict",
            sentence=(
                f"{_count(len(near), 'cluster')} of near-duplicates ({slices:,} slices) "
                f"{'holds' if len(near) == 1 else 'hold'} different labels, such as "
                f"{_pair(near[0].paths, near[0].labels)}."
            ),
            advice=(
                "look at them. Neighbouring slices may differ rightly, where a tumour begins; copies of one may not."
            ),
        )


def _two_groups(audit: "Audit") -> Iterable[Finding]:
    if audit.two_groups:
        first = audit.two_groups[0]
        yield Finding(
            kind="two groups",
            sentence=(
                f"{_count(len(audit.two_groups), 'slice')} {_is(len(audit.two_groups))} there under two patients or "
                f"more, such as {_pair(first.paths, first.groups)}."
            ),
            advice="join those groups with with_groups(), or leave the copies out: as it is, a split by group leaks.",
        )
    divided = audit.known.divided_patients
    if divided:
        yield Finding(
            kind="two groups",
            sentence=(
                f"{_count(divided, 'patient')} of figshare {'lies' if divided == 1 else 'lie'} in several of the "
                "groups that the dataset was given."
            ),
            advice="leave the groups out when reading: the patients of these slices are filled in by themselves.",
        )


def _shortcuts(audit: "Audit") -> Iterable[Finding]:
    if audit.shortcut is not None and audit.shortcut.tells:
        yield Finding(
            kind="shortcut",
            sentence=f"SHORTCUT: {shortcut_sentence(audit.shortcut)}",
            advice=(
                'keep crop="head" in Preprocessing, which cuts margins off; store all classes in one size and '
                "format; and test on slices of another source (leave_one_source_out()) before believing a figure."
            ),
        )


def _known_labels(audit: "Audit") -> Iterable[Finding]:
    wrong = [label for label in audit.known.labels if not label.corrected]
    if wrong:
        first = wrong[0]
        yield Finding(
            kind="known labels",
            sentence=(
                f"{_count(len(wrong), 'label')} {'differs' if len(wrong) == 1 else 'differ'} from the figshare set "
                f"that the slices are from, such as {_short(first.path)}: {first.given}, there {first.figshare}."
            ),
            advice="read the dataset with correct_labels=True, or data.recognized(), which takes figshare's labels.",
        )


def _suspects(audit: "Audit") -> Iterable[Finding]:
    if audit.suspects:
        first = audit.suspects[0]
        yield Finding(
            kind="suspects",
            sentence=(
                f"{_count(len(audit.suspects), 'label')} {_is(len(audit.suspects))} doubted by a model that was "
                f"trained on the other slices, first of all {_short(first.path)}: {first.given}, and the model says "
                f"{first.suggested} ({first.confidence:.2f})."
            ),
            advice="look at them, from the top of the list: it is short of errors at its end.",
        )


def _unreadable(audit: "Audit") -> Iterable[Finding]:
    if audit.unreadable:
        path, error = audit.unreadable[0]
        yield Finding(
            kind="unreadable",
            sentence=(
                f"{_count(len(audit.unreadable), 'file')} can't be read, such as {_short(path)}: "
                f"{_first_sentence(error)}"
            ),
            advice="fetch them again, or leave them out with filter(): training would stop at the first of them.",
        )


def _duplicates(audit: "Audit") -> Iterable[Finding]:
    copies = audit.exact_duplicates
    if copies.slices:
        yield Finding(
            kind="duplicates",
            sentence=(
                f"{copies.slices:,} slices are {_count(len(copies.clusters), 'picture')} pixel for pixel: "
                f"{_count(copies.surplus, 'slice')} too many; the most frequent is there {copies.largest} times."
            ),
            advice="keep one of each: copies weigh more in training, and make intervals too narrow in tests.",
        )


def _groups(audit: "Audit") -> Iterable[Finding]:
    if audit.ungrouped:
        yield Finding(
            kind="groups",
            sentence=f"{_count(audit.ungrouped, 'readable slice')} {_has(audit.ungrouped)} no patient or cluster.",
            advice="give patients when reading (group=), or fill in clusters of near-duplicates: data.recognized().",
        )


def _balance(audit: "Audit") -> Iterable[Finding]:
    balance = audit.balance
    if len(audit.counts) == 1:
        yield Finding(
            kind="balance",
            sentence=f"There is one class only, {balance.largest}: nothing can be learnt from it.",
            advice="read the folder above, or add the other classes.",
        )
    elif balance.ratio > UNEVEN_RATIO:
        yield Finding(
            kind="balance",
            sentence=(
                f"The classes are uneven: {balance.largest} has {balance.ratio:.1f} times as many slices as "
                f"{balance.smallest} ({audit.counts[balance.largest]:,} and {audit.counts[balance.smallest]:,})."
            ),
            advice="judge by balanced accuracy and macro-F1: accuracy is won by the largest class alone.",
        )


def _known_note(audit: "Audit") -> Iterable[str]:
    known = audit.known
    if known.slices:
        altered = f", {known.altered:,} of them turned, scaled or shifted" if known.altered else ""
        corrected = f"; {_count(known.corrected, 'label')} corrected by it" if known.corrected else ""
        yield (
            f"{known.slices:,} of {audit.n:,} are slices of figshare 1512427 ({known.images:,} different ones, "
            f"{_count(known.patients, 'patient')}){altered}{corrected}. Most public sets hold them: don't test on one "
            "what was trained on another."
        )


def _near_note(audit: "Audit") -> Iterable[str]:
    near = audit.near_duplicates
    if near.slices:
        yield (
            f"{near.slices:,} slices are near-duplicates in {_count(len(near.clusters), 'cluster')}, the largest of "
            f"{near.largest:,}. A split by group keeps a cluster together."
        )


def _shortcut_note(audit: "Audit") -> Iterable[str]:
    if audit.shortcut is None:
        yield f"No shortcut test: {audit.shortcut_missing}."
        return
    alone = ", ".join(f"{name} {_percent(told.balanced_accuracy)}" for name, told in audit.shortcut.families.items())
    left_out = f" Left out as too small: {', '.join(audit.shortcut.left_out)}." if audit.shortcut.left_out else ""
    if not audit.shortcut.tells:
        yield f"No shortcut found. {shortcut_sentence(audit.shortcut)}"
    yield (
        f"Shortcut test, {audit.shortcut.n:,} slices in {audit.shortcut.n_groups:,} groups; each alone tells the "
        f"class in: {alone}. Brightness and contrast of the whole slice, which may differ rightly: "
        f"{_percent(audit.shortcut.intensity.balanced_accuracy)}.{left_out}"
    )


def _suspects_note(audit: "Audit") -> Iterable[str]:
    if audit.suspects is None:
        yield "Labels were not checked by a model: audit(classifier=...) does, and takes as long as training."
    elif not audit.suspects:
        yield "A model trained on the other slices doubts no label."


def _class_lines(audit: "Audit") -> list[str]:
    width = max(len(label) for label in (*audit.counts, "class")) + 2
    figures = f"{'commonest size':<20}{'sizes':>6}{'mean grey':>11}{'KB a file':>11}"
    lines = [f"{'class':<{width}}{'slices':>8}{'share':>8}  {figures}"]
    for label, count in audit.counts.items():
        line = f"{label:<{width}}{count:>8,}{_percent(audit.balance.shares[label], digits=1):>8}"
        if label in audit.sizes:
            sizes, grey = audit.sizes[label], audit.intensity[label]
            height, breadth = sizes.commonest
            common = f"{breadth}x{height} ({_percent(sizes.commonest_share)})"
            line += f"  {common:<20}{sizes.different:>6,}{grey.mean:>11.3f}{sizes.file_size[1] / 1000:>11.1f}"
        lines.append(line)
    return lines


def _groups_in_words(audit: "Audit") -> str:
    groups = (
        f"{_count(audit.n_groups, 'patient or cluster', 'patients or clusters')}" if audit.n_groups else "no groups"
    )
    parts = ", ".join(f"{part} {sum(counts.values()):,}" for part, counts in audit.splits.items())
    sources = f"; {_count(len(audit.sources), 'source')}" if audit.sources else ""
    return f"In {groups}{sources}{f'; published parts: {parts}' if parts else ''}"


def _item(mark: str, text: str) -> list[str]:
    # A number and its % stay on one line: wrap() takes a no-break space for a letter.
    whole = (mark + text).replace(" %", "\u00a0%")
    lines = wrap(whole, WIDTH, subsequent_indent=" " * len(mark), break_long_words=False, break_on_hyphens=False)
    return [line.replace("\u00a0", " ") for line in lines]


def _problems(count: int) -> str:
    return "No problem was found." if not count else _count(count, "problem")


def _pair(paths: Sequence[Path], names: Sequence[str]) -> str:
    """Two of the paths whose names differ, each with its name."""
    other = next(place for place, name in enumerate(names) if name != names[0])
    return f"{_short(paths[0])} ({names[0]}) and {_short(paths[other])} ({names[other]})"


def _short(path: Path) -> str:
    """The end of a path: enough to find it by, and short enough for a line."""
    return "/".join(part for part in path.parts[-2:] if part != path.anchor)


def _first_sentence(error: str) -> str:
    line = " ".join(error.split())
    return line if len(line) <= 160 else f"{line[:157]}..."


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _percent(share: float, *, digits: int = 0) -> str:
    return f"{100 * share:.{digits}f} %"


def _interval(told: "Told") -> str:
    return f"{_percent(told.low)[:-2]}-{_percent(told.high)}"


def _count(count: int, noun: str, plural: str | None = None) -> str:
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def _is(count: int) -> str:
    return "is" if count == 1 else "are"


def _has(count: int) -> str:
    return "has" if count == 1 else "have"
