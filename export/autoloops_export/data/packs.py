"""The corpora that AutoLoops knows: licence, attribution, share in training and what makes a tune of each.

A pack is a folder with an ``index.jsonl`` (one line per file, with the role of each track). Anything else is a plain
folder of MIDI files, in which every file is a tune of its own.
"""

import hashlib
import math
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from msgspec import Struct


class IndexedTrack(Struct):
    """A track in a pack's index: position in the file, and the part it plays."""

    i: int
    role: str


class IndexedFile(Struct):
    """A file in a pack's index; ``source`` is its path in the original corpus."""

    file: str
    tracks: list[IndexedTrack]
    source: str = ""
    composer: str = ""
    title: str = ""
    licence: str = ""


@dataclass(frozen=True, slots=True)
class Pack:
    """A corpus.

    Attributes:
        name: Folder and archive name.
        licence: Of the files, unless the index gives one for each.
        attribution: The line that model cards carry.
        tune: What files of one tune have in common, from the index entry of a file.
    """

    name: str
    licence: str
    attribution: str
    tune: Callable[[IndexedFile], str]


def _piece(entry: IndexedFile) -> str:
    return str(PurePosixPath(entry.file).with_suffix(""))


def _mutopia_work(entry: IndexedFile) -> str:
    """Composer and work: ``ftp/COMPOSER/WORK/…``."""
    parts = PurePosixPath(entry.source).parts
    return "/".join(parts[1:3]) if len(parts) > 3 else f"{entry.composer}/{entry.title}"


def _lied_work(entry: IndexedFile) -> str:
    """Composer and set, ``COMPOSER/SET/SONG/…``; songs outside a set (``_``) are works of their own."""
    parts = PurePosixPath(entry.source).parts
    if len(parts) < 3:
        return f"{entry.composer}/{entry.title}"
    return "/".join(parts[:2] if parts[1] != "_" else parts[:3])


def _hymn_title(entry: IndexedFile) -> str:
    """The title: file names are ``TITLE-TUNE``."""
    return PurePosixPath(entry.file).stem.split("-")[0]


def _lead_sheet_title(entry: IndexedFile) -> str:
    """Author and title: ``dataset/AUTHOR/TITLE/…``."""
    parts = PurePosixPath(entry.source).parts
    return "/".join(parts[1:3]) if len(parts) > 3 else _piece(entry)


def _groove(entry: IndexedFile) -> str:
    """Drummer, session, style and tempo: ``DRUMMER/SESSION/NUMBER_STYLE_TEMPO_KIND_METER.mid``."""
    path = PurePosixPath(entry.file)
    return "/".join([*path.parts[:-1], *path.stem.split("_")[1:3]])


PACKS: Final[dict[str, Pack]] = {
    pack.name: pack
    for pack in (
        Pack(
            "mutopia_pd_by",
            "Public Domain or CC BY, per file",
            "Mutopia Project (mutopiaproject.org), Public Domain and CC BY pieces by the typesetters listed there.",
            _mutopia_work,
        ),
        Pack(
            "openscore_lieder",
            "CC0",
            "OpenScore Lieder Corpus, Mark Gotham and OpenScore volunteers, CC0.",
            _lied_work,
        ),
        Pack(
            "open_hymnal",
            "Public Domain",
            "Hymns from the Open Hymnal Project (openhymnal.org), Brian J. Dumont, public domain.",
            _hymn_title,
        ),
        Pack(
            "openewld_pd",
            "Public Domain",
            "OpenEWLD, Federico Simonetta, DOI 10.5281/zenodo.4332855 (public-domain scores).",
            _lead_sheet_title,
        ),
        Pack(
            "freedoom_music",
            "BSD 3-clause",
            "Music from the Freedoom project, Copyright (c) 2001-2024 Contributors to the Freedoom project, "
            "BSD 3-clause; authors in CREDITS-MUSIC.",
            _piece,
        ),
        Pack(
            "simutrans_music",
            "Artistic 1.0",
            "Music from Simutrans, (c) the Simutrans Team and the composers in CREDITS-MUSIC.txt, "
            "Artistic License 1.0.",
            _piece,
        ),
        Pack(
            "tannerhelland_free_music",
            "CC BY 4.0",
            '"Music by Tanner Helland", github.com/tannerhelland/free-music, CC BY 4.0.',
            _piece,
        ),
        Pack(
            "easyrpg_rtp_music",
            "CC BY 4.0 (one file CC0)",
            "EasyRPG RTP music by Juan Manuel Nigretti (CC BY 4.0) and Someoneman (CC0).",
            _piece,
        ),
        Pack(
            "groove_midi",
            "CC BY 4.0",
            '"Groove MIDI Dataset" by Jon Gillick, Adam Roberts, Jesse Engel, Douglas Eck and David Bamman '
            "(Google Magenta), CC BY 4.0, magenta.tensorflow.org/datasets/groove.",
            _groove,
        ),
    )
}


def pack_named(name: str) -> Pack:
    """The pack called ``name``, or one that says that nothing is known of it."""
    return PACKS.get(name, Pack(name, "unknown: the owner of the files answers for it", name, _piece))


def tune_key(pack: Pack, entry: IndexedFile) -> str:
    """What all files of one tune share: pack and tune, without case, accents and punctuation."""
    plain = unicodedata.normalize("NFKD", pack.tune(entry)).encode("ascii", "ignore").decode().casefold()
    return f"{pack.name}:{re.sub(r'[^a-z0-9/]+', ' ', plain).strip()}"


SPLITS: Final = ("train", "valid", "test")
VALID_SHARE: Final = 0.05
# Roles that few tunes have hold out more, so that there is something to measure on. Every share holds the tunes of all
# smaller ones, so that a model may begin with what another one has learnt.
TEST_SHARE: Final = 0.05


def split_of(key: str, test_share: float = TEST_SHARE) -> str:
    """The split of a tune: ``train``, ``valid`` or ``test``, by a hash of its key and ``test_share`` alone."""
    point = _point(key)
    if point < test_share:
        return "test"
    return "valid" if point < test_share + VALID_SHARE else "train"


def splits_of(keys: list[str]) -> dict[str, str]:
    """The splits of a small corpus's tunes: the shares are kept, and from three tunes on none is empty."""
    tunes = sorted(set(keys), key=_point)
    test = math.ceil(TEST_SHARE * len(tunes)) if len(tunes) > 2 else 0
    valid = math.ceil(VALID_SHARE * len(tunes)) if len(tunes) > 2 else 0
    names = ["test"] * test + ["valid"] * valid + ["train"] * (len(tunes) - test - valid)
    return dict(zip(tunes, names, strict=True))


def _point(key: str) -> float:
    """Where a tune lies between 0 and 1, by a hash of its key."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") / 2**64
