"""VGG16 by transfer learning on "Brain Tumor MRI Dataset" (Kaggle, masoudnickparvar), patients kept apart.

    python examples/vgg16_nickparvar.py [ROOT]

It replaces a system that publishes accuracy 0.9657, precision 0.9642, recall 0.9629, F1 0.9633, IoU 0.9653 and loss
0.1160. The IoU of classes is their Jaccard index: true and answered slices in common, by those in either. It can't be
above F1, of which it is F1 / (2 - F1) in each class: 0.9653 beside an F1 of 0.9633 is another quantity by that name.
A GPU is wanted; to try without one: --limit 200 --size 64 --epochs 1 --pretrained none.
"""

from published import command_line, read, show

from mriclassify import Classifier, Preprocessing, TrainingOptions

PUBLISHED = {
    "accuracy": 0.9657,
    "precision": 0.9642,
    "recall": 0.9629,
    "macro_f1": 0.9633,
    "jaccard": 0.9653,
    "loss": 0.1160,
}


def main() -> None:
    options = command_line(__doc__, backbone="vgg16", epochs=10, size=224).parse_args()
    data = read("nickparvar", options.root, limit=options.limit)
    print(data)
    train, validation, test = data.split((0.7, 0.1, 0.2), seed=0)
    clf = Classifier(options.backbone, pretrained=options.pretrained, preprocessing=Preprocessing(size=options.size))
    # VGG16 has no batch normalisation: at the default rate it does not learn.
    clf.fit(train, validation=validation, options=TrainingOptions(epochs=options.epochs, learning_rate=5e-5))
    report = clf.evaluate(test)
    show(report, PUBLISHED)
    if options.out:
        report.save(options.out / "report")
        clf.save(options.out / "vgg16.safetensors")


if __name__ == "__main__":
    main()
