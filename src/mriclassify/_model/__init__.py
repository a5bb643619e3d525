"""IMAGES BECOME ANSWERS: backbones, network, inference, calibration, prediction, bundle."""
