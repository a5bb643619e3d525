"""Whether a model has seen in training what it is tested on."""

from dataclasses import dataclass

from mriclassify._errors import OptionError


@dataclass(frozen=True, kw_only=True)
class Leakage:
    """How much of the test data the model was trained on.

    Args:
        checked: False when the model does not remember what it was trained on; the counts then say nothing.
        slices_seen: Test slices whose very pixels were in training.
        slices_alike: Further ones of which a near-duplicate was: resized, recoloured, mirrored or turned, or a
            neighbour in the same head; None where that is not known.
        groups_seen: Test groups (patients or clusters of near-duplicates) that had a slice in training;
            None where that is not known.
        n_slices: Test slices in all.
        allowed: What the test part shares with the rest of its split, where the caller let it through; else None.

    Raises:
        OptionError: A count is negative, or more slices were seen than there are.
    """

    checked: bool
    slices_seen: int
    slices_alike: int | None = None
    groups_seen: int | None
    n_slices: int
    allowed: str | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.slices_seen <= self.n_slices:
            raise OptionError(f"slices_seen must be between 0 and n_slices ({self.n_slices}), got {self.slices_seen}")
        if self.slices_alike is not None and not 0 <= self.slices_alike <= self.n_slices - self.slices_seen:
            raise OptionError(
                "slices_alike must be None or between 0 and the slices that were not seen "
                f"({self.n_slices - self.slices_seen}), got {self.slices_alike}"
            )
        if self.groups_seen is not None and self.groups_seen < 0:
            raise OptionError(f"groups_seen must be None or 0 and more, got {self.groups_seen}")

    @property
    def leaks(self) -> bool:
        """Whether a test slice, one like it, or a test group is known to have been in training, or the split leaks."""
        return self.allowed is not None or self._seen

    @property
    def _seen(self) -> bool:
        return self.checked and (self.slices_seen > 0 or bool(self.slices_alike) or bool(self.groups_seen))

    @property
    def sentence(self) -> str:
        """The finding in plain words."""
        if self.allowed is not None:
            return f"LEAK, let through by allow_leakage=True: {self.allowed}. {self._what_was_seen}"
        return self._what_was_seen

    @property
    def _what_was_seen(self) -> str:
        if not self.checked:
            return "Unknown: the model does not say what it was trained on, perhaps on these very slices."
        if self._seen:
            return f"LEAK: {self._what_leaked}: the figures below overstate how the model does on new patients."
        if self.groups_seen is None:
            nothing = "No test slice" if self.slices_alike is None else "No test slice and no near-duplicate of one"
            return f"{nothing} was in training; whether a test patient was is not known."
        if self.slices_alike is None:
            return "No test slice and no test patient (or near-duplicate) was in training."
        return "No test slice, no near-duplicate of one, and no test patient was in training."

    @property
    def _what_leaked(self) -> str:
        found = [f"{self.slices_seen:,} of {self.n_slices:,} test slices were in training, pixel for pixel"]
        if self.slices_alike:
            found.append(f"{self.slices_alike:,} more as near-duplicates (mirrored and turned ones count)")
        if self.groups_seen is not None:
            groups = "group" if self.groups_seen == 1 else "groups"
            found.append(f"{self.groups_seen:,} test {groups} (patients or near-duplicates) had slices there")
            return f"{', '.join(found[:-1])}, and {found[-1]}"
        return f"{', and '.join(found)} (whether their patients were is not known)"
