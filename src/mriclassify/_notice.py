"""The notice that stands wherever answers are shown."""

NOTICE = "For research use only: not a medical device, and no basis for decisions about a patient."
