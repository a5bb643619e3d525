"""The weights that this release knows by name: which bytes, which classes, how good, under which terms.

`registry.json` beside this module is written by the training scripts:

    {"schema": 1, "default": NAME or null, "aliases": {"accurate": NAME}, "weights": [{...}, ...]}

Each entry of `weights` has the fields of `WeightsRecord`; `urls`, `metrics`, `summary` and `packaged` may be
left out.
"""

import difflib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mriclassify._errors import OptionError, UnknownWeightsError, WeightsError

RELEASES_URL = "https://github.com/mriclassify/mriclassify/releases/download/weights"
"""Where the files of a release lie, unless an entry names its own URLs."""

SCHEMA = 1
FOLDER = Path(__file__).parent
NAME = re.compile(r"[A-Za-z0-9_]+\.[A-Za-z0-9_-]+-v[1-9][0-9]*")
FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*\.safetensors")
SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class WeightsRecord:
    """One file of published weights.

    Attributes:
        name: `architecture.tag-vN`, such as `mobilenet_v2.byclass-v1`.
        file: its file name, without a folder.
        sha256: of the file, 64 lower-case hexadecimal digits.
        size: bytes.
        licence: of the weights, an SPDX identifier where there is one.
        backbone: name of the architecture.
        classes: in the order of the network's outputs.
        urls: where it can be fetched, the first choice first; may be empty for packaged weights.
        metrics: measured results by name, such as `macro_f1`; usually 0..1.
        summary: one sentence for people.
        packaged: whether the file lies inside the installed package, so that it needs no network.

    Raises:
        OptionError: a field is not as described.

    """

    name: str
    file: str
    sha256: str
    size: int
    licence: str
    backbone: str
    classes: tuple[str, ...]
    urls: tuple[str, ...] = ()
    # A plain dict inside, so that records can be pickled; it can't take part in a hash.
    metrics: Mapping[str, float] = field(default_factory=dict, hash=False)
    summary: str = ""
    packaged: bool = False

    def __post_init__(self) -> None:
        self._check_identity()
        self._check_urls()
        self._check_contents()

    def _check_identity(self) -> None:
        _require(
            bool(NAME.fullmatch(self.name)),
            "name",
            "architecture.tag-vN, as mobilenet_v2.byclass-v1",
            self.name,
        )
        _require(
            bool(FILE.fullmatch(self.file)),
            "file",
            "a name ending in .safetensors, without folder",
            self.file,
        )
        _require(bool(SHA256.fullmatch(self.sha256)), "sha256", "64 lower-case hexadecimal digits", self.sha256)
        _require(self.size > 0, "size", "a number of bytes above 0", self.size)

    def _check_urls(self) -> None:
        for url in self.urls:
            parts = urlsplit(url)
            _require(parts.scheme in ("http", "https") and bool(parts.netloc), "urls", "http:// or https://", url)
        _require(self.packaged or bool(self.urls), "urls", "at least one, as the file is not packaged", self.urls)

    def _check_contents(self) -> None:
        _require(bool(self.licence), "licence", "the terms of use", self.licence)
        _require(bool(self.backbone), "backbone", "the name of an architecture", self.backbone)
        unique = 2 <= len(self.classes) == len(set(self.classes)) and all(self.classes)
        _require(unique, "classes", "at least two different names", self.classes)
        _require(all(map(math.isfinite, self.metrics.values())), "metrics", "finite numbers", self.metrics)

    def __str__(self) -> str:
        """Return one line: name, size, classes, results, terms, summary."""
        parts = [self.name, f"{self.size / 1e6:.1f} MB", ", ".join(self.classes)]
        parts += [f"{metric} {value:.3g}" for metric, value in self.metrics.items()]
        parts += [self.licence, "packaged" if self.packaged else "download"]
        return "  ".join([*parts, self.summary] if self.summary else parts)


@dataclass(frozen=True, kw_only=True)
class Registry:
    """All weights that a release knows, which of them is the default, and other names for some.

    Raises:
        OptionError: names or files are not unique, or the default or an alias leads nowhere.

    """

    weights: tuple[WeightsRecord, ...] = ()
    default: str | None = None
    aliases: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        names = [record.name for record in self.weights]
        files = [record.file for record in self.weights]
        _require(len(set(names)) == len(names), "weights", "different names", names)
        _require(len(set(files)) == len(files), "weights", "different files", files)
        _require(self.default is None or self.default in names, "default", f"null or one of {names}", self.default)
        for alias, name in self.aliases.items():
            free = alias not in names and alias != "default"
            _require(free, "aliases", "names that mean nothing else", alias)
            _require(name in names, "aliases", f"a way to one of {names}", {alias: name})

    def find(self, name: str) -> WeightsRecord:
        """Return the record of that name or alias; `"default"` is the release's default.

        Raises:
            UnknownWeightsError: there is none; the message lists the names.

        """
        known = {record.name: record for record in self.weights}
        targets = dict(self.aliases)
        if self.default is not None:
            targets["default"] = self.default
        record = known.get(targets.get(name, name))
        if record is None:
            raise UnknownWeightsError(_unknown(name, names=tuple(known), aliases=targets))
        return record


REQUIRED = {f.name for f in fields(WeightsRecord) if f.default is MISSING and f.default_factory is MISSING}
OPTIONAL = {f.name for f in fields(WeightsRecord)} - REQUIRED
TEXTS = tuple(f.name for f in fields(WeightsRecord) if f.type is str)


def list_weights() -> tuple[WeightsRecord, ...]:
    """Return the weights that this release knows, packaged and downloadable, in the registry's order.

    Example:
        >>> for record in list_weights():
        ...     line = str(record)

    """
    return load_registry().weights


def find(name: str) -> WeightsRecord:
    """Return the record of the weights of that name or alias, such as `"default"` or `"accurate"`.

    Raises:
        UnknownWeightsError: this release knows none of that name; the message lists those it knows.

    """
    return load_registry().find(name)


def is_known(name: str) -> bool:
    """Return whether this release knows weights of that name or alias."""
    registry = load_registry()
    names = {record.name for record in registry.weights}
    return name in names or name in registry.aliases or (name == "default" and registry.default is not None)


def packaged_path(record: WeightsRecord) -> Path:
    """Return where packaged weights lie; whether the bytes are right is for the caller to verify.

    Raises:
        OptionError: the weights are not packaged.
        WeightsError: they should be, but the file is not there.

    """
    if not record.packaged:
        raise OptionError(f"{record.name} is not inside the package: it has to be fetched from {record.urls[0]}")
    path = FOLDER / record.file
    if not path.is_file():
        raise WeightsError(
            f"{record.name} should be inside the package, but {path} is not there: "
            "the installation is not whole. "
            "Install again with: pip install --force-reinstall --no-deps mriclassify"
        )
    return path


def load_registry(path: Path | None = None) -> Registry:
    """Read and check a registry, by default the one that this release carries.

    Raises:
        WeightsError: the file can't be read, or is not a registry of this schema; the message has the entry.

    """
    path = path or FOLDER / "registry.json"
    try:
        return _parse(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        # OptionError and JSONDecodeError are ValueErrors; TypeError comes of a value of the wrong kind
        raise WeightsError(f"{path} is not a registry of weights: {error}") from error


def _parse(content: Any) -> Registry:
    _check_keys(content, required={"schema", "weights"}, optional={"default", "aliases"}, where="the registry")
    _require(
        content["schema"] == SCHEMA,
        "schema",
        f"{SCHEMA}, which is what this release reads",
        content["schema"],
    )
    entries = _typed(content["weights"], list, "weights")
    return Registry(
        weights=tuple(_parse_record(entry, number) for number, entry in enumerate(entries)),
        default=content.get("default"),
        aliases=_typed(content.get("aliases", {}), dict, "aliases"),
    )


def _parse_record(entry: Any, number: int) -> WeightsRecord:
    where = f"weights[{number}]"
    _check_keys(entry, required=REQUIRED, optional=OPTIONAL, where=where)
    texts = {name: _typed(entry.get(name, ""), str, f"{where}.{name}") for name in TEXTS}
    packaged = _typed(entry.get("packaged", False), bool, f"{where}.packaged")
    urls = _strings(entry.get("urls") or [], f"{where}.urls")
    if not urls and not packaged:
        urls = (f"{RELEASES_URL}/{texts['file']}",)
    try:
        return WeightsRecord(
            **texts,
            size=_typed(entry["size"], int, f"{where}.size"),
            classes=_strings(entry["classes"], f"{where}.classes"),
            urls=urls,
            metrics=_numbers(entry.get("metrics") or {}, f"{where}.metrics"),
            packaged=packaged,
        )
    except OptionError as error:
        raise OptionError(f"{where}: {error}") from error


def _check_keys(content: Any, *, required: set[str], optional: set[str], where: str) -> None:
    keys = set(_typed(content, dict, where))
    if missing := required - keys:
        raise OptionError(f"{where} lacks {', '.join(sorted(missing))}")
    if unknown := keys - required - optional:
        raise OptionError(f"{where} has unknown keys: {', '.join(sorted(unknown))}")


def _typed(value: Any, kind: type | tuple[type, ...], where: str) -> Any:
    # bool is a kind of int to Python, but not to a reader of JSON
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        kinds = kind if isinstance(kind, tuple) else (kind,)
        raise OptionError(f"{where} should be {' or '.join(k.__name__ for k in kinds)}; got {value!r}")
    return value


def _strings(values: Any, where: str) -> tuple[str, ...]:
    return tuple(_typed(value, str, where) for value in _typed(values, list, where))


def _numbers(values: Any, where: str) -> dict[str, float]:
    entries = _typed(values, dict, where).items()
    return {name: float(_typed(value, (int, float), f"{where}.{name}")) for name, value in entries}


def _require(condition: bool, what: str, expected: str, got: object) -> None:
    if not condition:
        raise OptionError(f"{what} should be {expected}; got {got!r}")


def _unknown(name: str, *, names: tuple[str, ...], aliases: Mapping[str, str]) -> str:
    if name == "default":
        start = "this release has no default weights."
    else:
        close = difflib.get_close_matches(name, [*names, *aliases], n=3, cutoff=0.5)
        start = f"no weights are called {name!r}" + (f"; did you mean {' or '.join(close)}?" if close else ".")
    known = ", ".join([*(f"{alias} ({target})" for alias, target in aliases.items()), *names])
    return f"{start} This release knows: {known or 'none'}. A path to a .safetensors file will do as well."
