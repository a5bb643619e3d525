"""A small convolutional network to read and to learn from: four blocks, 0.4 million parameters."""

from torch import nn

from mriclassify._shapes import Features, Images


class SmallCNN(nn.Module):
    """Four blocks of convolution, batch normalisation, ReLU and pooling, then the mean over the image.

    Each block halves the image and doubles the channels (32, 64, 128, 256), as in VGG; the mean over what
    is left (global average pooling) makes the features independent of the image's size.
    """

    def __init__(self, *, channels: int = 1, width: int = 32) -> None:
        super().__init__()
        widths = [channels, width, 2 * width, 4 * width, 8 * width]
        self.blocks = nn.Sequential(*map(_block, widths[:-1], widths[1:]))
        self.feature_count = widths[-1]

    def forward(self, images: Images) -> Features:
        """Return (batch, 8 * width) features of images (batch, channels, size, size)."""
        maps = self.blocks(images)  # (batch, 8 * width, size / 16, size / 16)
        return maps.mean(dim=(2, 3))  # type: ignore[no-any-return]


def _block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel_size=3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
    )
