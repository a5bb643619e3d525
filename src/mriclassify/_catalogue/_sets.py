"""The five sets of this field.

Counts and defects were measured on copies of the sets; names, versions, sizes and checksums are the hosts'.
Where something could not be established it is None, never a guess.
"""

import difflib

from mriclassify._catalogue._entries import ALL, CatalogueEntry, RemoteFile
from mriclassify._errors import OptionError

_FIGSHARE_FILES = "https://ndownloader.figshare.com/files"

_MIXED_CONTROLS = (
    "The no-tumour images come from other sources than the tumour images (other scanners, sequences, sizes and "
    "crops), so that a classifier can tell the source instead of the tumour."
)

NICKPARVAR = CatalogueEntry(
    name="nickparvar",
    title="Brain Tumor MRI Dataset",
    counts={
        "train": {"glioma": 1321, "meningioma": 1339, "notumor": 1595, "pituitary": 1457},
        "test": {"glioma": 300, "meningioma": 306, "notumor": 405, "pituitary": 300},
    },
    folders={"glioma": "glioma", "meningioma": "meningioma", "notumor": "notumor", "pituitary": "pituitary"},
    parts={"Training": "train", "Testing": "test"},
    licence="CC0-1.0",
    citation="Nickparvar M. Brain Tumor MRI Dataset. Kaggle, 2021. doi:10.34740/KAGGLE/DSV/2645886",
    doi="10.34740/KAGGLE/DSV/2645886",
    url="https://www.kaggle.com/datasets/masoudnickparvar/brain-tumor-mri-dataset/versions/1",
    route="kaggle",
    handle="masoudnickparvar/brain-tumor-mri-dataset/versions/1",
    defects=(
        "The published split leaks: of the 1,311 test images 216 are pixel-identical to a training image, and 1,290 "
        "(98.4 %) share a patient or a near-duplicate with one.",
        "Every one of figshare's 3,064 slices is in it mirrored left-right, and 1,686 of them once more as they were.",
        "4 files named pituitary are meningioma in figshare.",
        _MIXED_CONTROLS,
        "The no-tumour images are a mixture: T2, FLAIR, T1 with and without contrast, web pictures with burnt-in "
        "text, and slices with visible lesions.",
        "Kaggle's version 2 (2026) is another set, of 7,200 images: everything here is about version 1.",
    ),
)

RM1000 = CatalogueEntry(
    name="rm1000",
    title="Brain Tumor (MRI Scans)",
    counts={ALL: {"glioma": 1621, "meningioma": 1645, "notumor": 2000, "pituitary": 1757}},
    folders={"glioma": "glioma", "healthy": "notumor", "meningioma": "meningioma", "pituitary": "pituitary"},
    citation="rm1000. Brain Tumor (MRI Scans). Kaggle. https://www.kaggle.com/datasets/rm1000/brain-tumor-mri-scans",
    url="https://www.kaggle.com/datasets/rm1000/brain-tumor-mri-scans",
    route="kaggle",
    handle="rm1000/brain-tumor-mri-scans",
    defects=(
        "It holds the same 7,023 images as nickparvar, under other folder names and without its split: what is "
        "wrong there is wrong here, and neither is a test of the other.",
    ),
)

SARTAJ = CatalogueEntry(
    name="sartaj",
    title="Brain Tumor Classification (MRI)",
    counts={
        "train": {"glioma": 826, "meningioma": 822, "notumor": 395, "pituitary": 827},
        "test": {"glioma": 100, "meningioma": 115, "notumor": 105, "pituitary": 74},
    },
    folders={
        "glioma_tumor": "glioma",
        "meningioma_tumor": "meningioma",
        "no_tumor": "notumor",
        "pituitary_tumor": "pituitary",
    },
    parts={"Training": "train", "Testing": "test"},
    licence="MIT",
    citation=(
        "Bhuvaji S, Kadam A, Bhumkar P, Dedge S, Kanchan S. Brain Tumor Classification (MRI). Kaggle, 2020. "
        "doi:10.34740/KAGGLE/DSV/1183165"
    ),
    doi="10.34740/KAGGLE/DSV/1183165",
    url="https://www.kaggle.com/datasets/sartajbhuvaji/brain-tumor-classification-mri",
    route="kaggle",
    handle="sartajbhuvaji/brain-tumor-classification-mri",
    defects=(
        "The published split leaks: of the 394 test images 251 are pixel-identical to a training image.",
        "2,345 of its 3,264 images are figshare slices.",
        "14 files named pituitary are meningioma in figshare.",
        "The glioma images of the test part are widely reported as mislabelled; 80 of those 100, and 44 of its 74 "
        "pituitary tumours, match no image of another set.",
        _MIXED_CONTROLS,
    ),
)

BANGLADESH = CatalogueEntry(
    name="bangladesh",
    title="Brain Cancer - MRI dataset",
    counts={ALL: {"glioma": 2004, "meningioma": 2004, "pituitary": 2048}},
    folders={"brain_glioma": "glioma", "brain_menin": "meningioma", "brain_tumor": "pituitary"},
    citation="Rahman MM. Brain Cancer - MRI dataset. Mendeley Data, V1, 2024. doi:10.17632/mk56jw9rns.1",
    doi="10.17632/mk56jw9rns.1",
    url="https://data.mendeley.com/datasets/mk56jw9rns/1",
    route="mendeley",
    handle="mk56jw9rns/1",
    listing="https://data.mendeley.com/public-api/datasets/mk56jw9rns/files?folder_id=root&version=1",
    files=(RemoteFile(name="mk56jw9rns-1.zip", url="https://data.mendeley.com/public-api/zip/mk56jw9rns/download/1"),),
    defects=(
        "It is not an independent set: in a sample of 75 images all 75 were rotated, shifted, scaled or mirrored "
        "copies of figshare slices of the same class.",
        "Its folder brain_tumor holds pituitary tumours.",
        "It has no images without a tumour, and no patient ids.",
    ),
)

FIGSHARE = CatalogueEntry(
    name="figshare",
    title="brain tumor dataset",
    counts={ALL: {"glioma": 1426, "meningioma": 708, "pituitary": 930}},
    licence="CC-BY-4.0",
    citation=(
        "Cheng J, et al. Enhanced performance of brain tumor classification via tumor region augmentation and "
        "partition. PLoS One 10(10), 2015; Cheng J, et al. Retrieval of brain tumors by adaptive spatial pooling and "
        "Fisher vector representation. PLoS One 11(6), 2016. Data: doi:10.6084/m9.figshare.1512427"
    ),
    doi="10.6084/m9.figshare.1512427",
    url="https://figshare.com/articles/dataset/brain_tumor_dataset/1512427",
    route="figshare",
    handle="1512427",
    files=(
        RemoteFile(
            name="brainTumorDataPublic_1-766.zip",
            url=f"{_FIGSHARE_FILES}/3381290",
            size=214_401_279,
            checksum="md5:74b949ad33f042e6e103523091cd1428",
        ),
        RemoteFile(
            name="brainTumorDataPublic_767-1532.zip",
            url=f"{_FIGSHARE_FILES}/3381296",
            size=217_848_429,
            checksum="md5:7e8a875500d2c8a346f270538e29890e",
        ),
        RemoteFile(
            name="brainTumorDataPublic_1533-2298.zip",
            url=f"{_FIGSHARE_FILES}/3381293",
            size=215_563_856,
            checksum="md5:8227bf6080cb71f15a88be8d25c79ae7",
        ),
        RemoteFile(
            name="brainTumorDataPublic_2299-3064.zip",
            url=f"{_FIGSHARE_FILES}/3381302",
            size=231_679_762,
            checksum="md5:b378a80d6174e5317d59eb28430c6652",
        ),
        RemoteFile(
            name="cvind.mat",
            url=f"{_FIGSHARE_FILES}/7005344",
            size=5_736,
            checksum="md5:5ea82eb3212c9fcb84290ccf0beb486d",
        ),
    ),
    size_bytes=879_499_062,
    defects=(
        "Its 233 patient ids are 209 patients: a letter behind an id (MR040240B, C, D) is a further scan of the same "
        "patient. The groups here are the 209.",
        "It has no images without a tumour: a model trained on it alone finds a tumour in everybody.",
        "All slices are T1 after contrast, from two hospitals of one country.",
    ),
)

_ENTRIES = (NICKPARVAR, RM1000, SARTAJ, BANGLADESH, FIGSHARE)


def list_datasets() -> tuple[CatalogueEntry, ...]:
    """Return the public sets that `Dataset.from_catalog` knows by name.

    Example:
        >>> len(list_datasets())
        5

    """
    return _ENTRIES


def find_entry(name: str) -> CatalogueEntry:
    """Return the public set of that name; case does not matter.

    Raises:
        OptionError: there is none; the message has the names.
    """
    entries = {entry.name: entry for entry in _ENTRIES}
    entry = entries.get(str(name).strip().casefold())
    if entry is None:
        close = difflib.get_close_matches(str(name), entries, n=1)
        hint = f"; did you mean {close[0]}?" if close else "."
        raise OptionError(
            f"no public set is called {name!r}{hint} Known are {', '.join(entries)}. "
            "For images of your own use Dataset.from_folder or Dataset.from_csv."
        )
    return entry
