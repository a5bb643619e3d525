"""Other sequences: whether tumours are seen on T2 and FLAIR as well, in pictures from the web.

124 pictures in the test folders of the Kaggle set `sartaj` match no picture of any other set: 80 of its gliomas, which
nickparvar's set left out, and 44 of its pituitary tumours. They are of many hospitals; weights that were trained on
`folds.csv` have seen none. `sequences.csv` says which belong to one patient (near-duplicates by
`provenance/sartaj.csv`, and four that are the same slice turned), of what sequence each is, and whether a tumour can be
seen in it: told by eye, not by a radiologist. Kinds are those of the folders; some "gliomas" look like metastases or
abscesses, so that kinds count for pituitary tumours alone.
"""

import csv
from pathlib import Path

import numpy as np
from _trust_figures import mean_of_groups
from _trust_sections import SURE, Section, left_out
from _trust_slices import BATCH, FREE

from mriclassify import Classifier

LISTED = Path(__file__).with_name("sequences.csv")
KINDS = {"T1": ("T1",), "T2 and FLAIR": ("T2", "FLAIR")}
PITUITARY = "pituitary"


def sequences(clf: Classifier, data: Path) -> Section:
    """Return what is said of tumours by sequence, and of CT, each patient counted once."""
    with LISTED.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["shows"] == "tumour" and (data / row["path"]).is_file()]
    if not rows:
        return left_out(f"{data / 'sartaj'} is not there")
    answers = list(clf.predict_many([data / row["path"] for row in rows], on_error="raise", batch_size=BATCH))
    patients = np.array([row["patient"] for row in rows])
    sequence = np.array([row["sequence"] for row in rows])
    label = np.array([answer.label for answer in answers])
    rejected = np.array([answer.status == "rejected" for answer in answers])
    sure = np.array([answer.status == "ok" and answer.confidence >= SURE for answer in answers])
    pituitary = np.array([PITUITARY in row["path"] for row in rows])

    def of(names: tuple[str, ...]) -> Section:
        here = np.isin(sequence, names)
        own = here & pituitary
        return {
            "patients": len(set(patients[here])),
            "tumour_seen": mean_of_groups(label[here] != FREE, list(patients[here])),
            "sure_and_wrong": mean_of_groups((sure & (label == FREE))[here], list(patients[here])),
            "rejected": mean_of_groups(rejected[here], list(patients[here])),
            "pituitary_called_so": mean_of_groups(label[own] == PITUITARY, list(patients[own])),
        }

    ct = sequence == "CT"
    return {
        "pictures": len(rows),
        "by_sequence": {name: of(names) for name, names in KINDS.items()},
        "ct_rejected": mean_of_groups(rejected[ct], list(patients[ct])),
    }
