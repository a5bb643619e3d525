"""A plain CNN on the 7,023 images of "Brain Tumor MRI Dataset" (Kaggle, masoudnickparvar), patients kept apart.

    python examples/plain_cnn_nickparvar.py [ROOT]

It replaces the notebooks and repositories that train a few convolutions on Training/ and report 92 to 99 % on
Testing/. 98.4 % of those test images share a patient or a near-duplicate with Training/. Here they do not.
"""

from published import command_line, read, show

from mriclassify import Classifier, Preprocessing, TrainingOptions


def main() -> None:
    options = command_line(__doc__, backbone="small_cnn", epochs=20, size=128).parse_args()
    data = read("nickparvar", options.root, limit=options.limit)
    print(data)
    train, validation, test = data.split((0.7, 0.1, 0.2), seed=0)
    clf = Classifier(options.backbone, pretrained=options.pretrained, preprocessing=Preprocessing(size=options.size))
    clf.fit(train, validation=validation, options=TrainingOptions(epochs=options.epochs, learning_rate=2e-3))
    report = clf.evaluate(test)
    show(report, published={})
    if options.out:
        report.save(options.out / "report")
        clf.save(options.out / "plain_cnn.safetensors")


if __name__ == "__main__":
    main()
