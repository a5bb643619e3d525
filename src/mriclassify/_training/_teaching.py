"""Teaching: a trained model's answers are learnt beside the labels, which is called distillation."""

import copy

import torch
from torch.nn import functional

from mriclassify._model._bundle import Bundle
from mriclassify._model._device import Precision
from mriclassify._model._ensemble import Ensemble, resized
from mriclassify._model._inference import ready
from mriclassify._model._network import Outputs
from mriclassify._shapes import Images
from mriclassify._training._lesion_loss import PIXELS


class Teacher:
    """A trained model that says what it would answer to the images that a network is trained on.

    A label says which class; a teacher's probabilities say also how sure one may be of it, and its lesion map where to
    look in slices without a mask (Hinton et al. 2015, "Distilling the knowledge in a neural network", arXiv
    1503.02531). It is shown the very images that the network sees, after synthesis and augmentation: what it says of
    others would not hold for them (Beyer et al. 2022, "Knowledge distillation: a good teacher is patient and
    consistent", arXiv 2106.05237).

    Args:
        bundle: the trained model, of the same classes and preprocessing but for the size; it is not changed.
        device: where it computes.
        precision: what it computes in.
    """

    def __init__(self, bundle: Bundle, *, device: torch.device, precision: Precision) -> None:
        network = ready(copy.deepcopy(bundle.network), device)
        if isinstance(network, Ensemble):
            # Twice the time, and augmentation flips the images anyway.
            network.mirrored = False
        self.bundle = bundle.with_changes(network=network, precision=precision)

    def loss(self, outputs: Outputs, images: Images, *, lesion_weight: float) -> torch.Tensor:
        """Return how far a network's outputs are from this model's: cross-entropy, of the classes and of the pixels.

        Args:
            outputs: of the network that learns, with gradients.
            images: (batch, 1, size, size), what they are outputs for.
            lesion_weight: of the pixels; they count where both make lesion maps.
        """
        said = self.bundle.ask(resized(images, self.bundle.preprocessing.size))
        logits = outputs.logits.float()
        probabilities = torch.from_numpy(self.bundle.probabilities(said.logits))
        loss = functional.cross_entropy(logits, probabilities.to(logits))
        if outputs.lesions is None or said.lesions is None:
            return loss
        lesions = outputs.lesions.float()
        shown = functional.adaptive_avg_pool2d(said.lesions.sigmoid(), lesions.shape[-1]).to(lesions)
        return loss + lesion_weight * PIXELS * functional.binary_cross_entropy_with_logits(lesions, shown)
