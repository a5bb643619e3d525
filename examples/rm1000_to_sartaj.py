"""A CNN trained on one public set and tested on another, with augmentation and a small search of its options.

    python examples/rm1000_to_sartaj.py [RM1000 SARTAJ]

It replaces systems that train on "Brain Tumor MRI Scans" (Kaggle, rm1000) and test on "Brain Tumor Classification
(MRI)" (sartajbhuvaji), as if that were another hospital. rm1000 holds most of it. No training slice here shares a
patient or a near-duplicate with the test part, sartaj's Testing/; without those of all of sartaj, no meningioma and no
pituitary tumour would be left to train on. The options are chosen on a validation part of rm1000, never on sartaj.
They name no figure that could stand beside this one. Of the test folder's 100 gliomas 80 are in no other set, and they
are said to be mislabelled.
"""

from pathlib import Path

from published import command_line, read, show, some

from mriclassify import Augmentation, Classifier, Preprocessing, TrainingOptions

CANDIDATES = [
    {"learning_rate": 3e-3, "augmentation": Augmentation()},
    {"learning_rate": 1e-3, "augmentation": Augmentation()},
    {"learning_rate": 1e-3, "augmentation": Augmentation(rotation=5, scale=0.05, gamma=0.1, bias=0)},
    {"learning_rate": 1e-3, "augmentation": Augmentation(), "weight_decay": 0.1},
]


def main() -> None:
    parser = command_line(__doc__, backbone="small_cnn", epochs=15, size=128)
    parser.add_argument("test", nargs="?", type=Path, help="the unpacked sartaj")
    options = parser.parse_args()
    rm1000, sartaj = read("rm1000", options.root), read("sartaj", options.test)
    test = sartaj.filter(lambda record: record.split == "test")
    train = rm1000.without_groups_of(test)
    print(f"{len(rm1000) - len(train):,} of {len(rm1000):,} training slices have a patient or near-duplicate in the")
    print(f"test part and are left out. Without those of all of sartaj: {rm1000.without_groups_of(sartaj)}")
    part, validation = some(train, options.limit).split((0.85, 0.15), seed=0)
    best = None
    for candidate in CANDIDATES:
        clf = Classifier(
            options.backbone, pretrained=options.pretrained, preprocessing=Preprocessing(size=options.size)
        )
        clf.fit(part, validation=validation, options=TrainingOptions(epochs=options.epochs, **candidate))
        print(f"validation macro-F1 {clf.history.best.validation_macro_f1:.3f} with {candidate}")
        if best is None or clf.history.best.validation_macro_f1 > best.history.best.validation_macro_f1:
            best = clf
    report = best.evaluate(some(test, options.limit))
    show(report, published={})
    if options.out:
        report.save(options.out / "report")
        best.save(options.out / "rm1000.safetensors")


if __name__ == "__main__":
    main()
