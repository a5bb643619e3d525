"""ResNetV2-101 by transfer learning on "Brain Tumor Classification (MRI)" (Kaggle, sartajbhuvaji), three-way split.

    python examples/resnet101_sartaj.py [ROOT]

It replaces systems of Keras' ResNet101V2 with a new head, a random three-way split, precision and a confusion matrix.
They name no figure that could stand beside this one. 2,345 of the 3,264 images are slices of figshare's 233 patients:
here no patient and no near-duplicate is in two parts. A GPU is wanted; to try without one:
--limit 200 --size 64 --epochs 1.
"""

from published import command_line, read, show

from mriclassify import Classifier, Preprocessing, TrainingOptions


def main() -> None:
    options = command_line(__doc__, backbone="timm/resnetv2_101", epochs=15, size=224).parse_args()
    data = read("sartaj", options.root, limit=options.limit)
    print(data)
    train, validation, test = data.split((0.7, 0.15, 0.15), seed=0)
    clf = Classifier(options.backbone, pretrained=options.pretrained, preprocessing=Preprocessing(size=options.size))
    # First the new head alone, then the whole network at a rate that does not shake the features loose.
    clf.fit(train, validation=validation, options=TrainingOptions(epochs=1, freeze_backbone=True))
    clf.fit(train, validation=validation, options=TrainingOptions(epochs=options.epochs, learning_rate=1e-4))
    report = clf.evaluate(test)
    show(report, published={})
    for label, scores in report.per_class.items():
        print(f"precision of {label}: {scores.precision:.3f}")
    if options.out:
        report.save(options.out / "report")
        clf.save(options.out / "resnet101.safetensors")


if __name__ == "__main__":
    main()
