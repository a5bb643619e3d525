"""One public set: what it holds, where it lies, under which terms, and what is wrong with it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeAlias

Route: TypeAlias = Literal["kaggle", "mendeley", "figshare"]
"""How a set is fetched."""

Counts: TypeAlias = Mapping[str, Mapping[str, int]]
"""Images by part ("train", "test", or "all" where none were published), then by label."""

ALL = "all"
"""The part of a set that was published without parts."""


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """One file of a set, as its host publishes it.

    Attributes:
        name: file name, without a folder.
        url: where it lies.
        size: bytes, None where the host does not say.
        checksum: `md5:...` or `sha256:...` in lower-case hexadecimal, None where the host gives none.
    """

    name: str
    url: str
    size: int | None = None
    checksum: str | None = None


@dataclass(frozen=True, kw_only=True)
class CatalogueEntry:
    """One of the public sets that `Dataset.from_catalog` knows by name.

    Attributes:
        name: what it is called here, such as `figshare`.
        title: what its publisher calls it.
        counts: published images by part ("train", "test"; "all" without parts), then by label.
        folders: class folder -> label; empty where the label stands in each file.
        parts: folder -> part, empty without a published split.
        licence: as the host states it; None where that is not established here: see the page at `url`.
        citation: what to cite.
        doi: of the data set, None where it has none.
        url: the page for people.
        route: the host that it is fetched from.
        handle: how the host calls it, with the version where others differ.
        listing: address of the host's list of files, None where there is none.
        files: what is fetched, with checksums; empty where the host's own client fetches it.
        size_bytes: of the files together, None where it is not established.
        defects: what is known to be wrong with it, a sentence each.
    """

    name: str
    title: str
    # Plain dicts inside, so that entries can be pickled; they can't take part in a hash.
    counts: Counts = field(hash=False)
    folders: Mapping[str, str] = field(default_factory=dict, hash=False)
    parts: Mapping[str, str] = field(default_factory=dict, hash=False)
    licence: str | None = None
    citation: str
    doi: str | None = None
    url: str
    route: Route
    handle: str
    listing: str | None = None
    files: tuple[RemoteFile, ...] = ()
    size_bytes: int | None = None
    defects: tuple[str, ...] = ()

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels, in alphabetical order."""
        return tuple(sorted({label for counts in self.counts.values() for label in counts}))

    @property
    def published_split(self) -> bool:
        """Whether the publisher divided it into training and test images."""
        return bool(self.parts)

    @property
    def images(self) -> int:
        """How many images were published."""
        return sum(sum(counts.values()) for counts in self.counts.values())

    @property
    def may_need_login(self) -> bool:
        """Whether the host may ask for an account; Kaggle does for some sets, and where it limits downloads."""
        return self.route == "kaggle"

    def to_dict(self) -> dict[str, Any]:
        """Everything, in types that JSON knows."""
        derived = {"classes": list(self.classes), "published_split": self.published_split, "images": self.images}
        return {**asdict(self), **derived, "may_need_login": self.may_need_login}

    def __str__(self) -> str:
        """One line: name, images, classes, split, host, licence, title."""
        split = "split published (" + ", ".join(self.counts) + ")" if self.published_split else "no split published"
        parts = [self.name, f"{self.images:,} images", ", ".join(self.classes), split, self.route]
        return "  ".join([*parts, self.licence or "licence: see its page", self.title])
