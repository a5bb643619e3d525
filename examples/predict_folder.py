"""Answer for every scan in a folder, and count what the answers are worth.

python examples/predict_folder.py [FOLDER]
"""

import sys
from collections import Counter
from pathlib import Path

from mriclassify import Classifier

SCANS = Path(__file__).parent / "scans"


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else SCANS
    clf = Classifier.from_pretrained()
    found = Counter()
    for answer in clf.predict_many(folder):
        print(answer)
        found[answer.status] += 1
    print(", ".join(f"{count} {status}" for status, count in found.items()))


if __name__ == "__main__":
    main()
