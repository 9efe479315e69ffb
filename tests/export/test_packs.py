"""What belongs to one tune, and so to one split."""

import pytest

from autoloops_export.data.packs import (
    SPLITS,
    IndexedFile,
    pack_named,
    split_of,
    tune_key,
)


def key(pack: str, file: str, source: str = "", **more: str) -> str:
    return tune_key(pack_named(pack), IndexedFile(file=file, tracks=[], source=source, **more))


SAME = [
    (
        "mutopia_pd_by",
        ("a.mid", "ftp/BachJS/BWV1013/bwv1013/bwv1013.ly"),
        ("b.mid", "ftp/BachJS/BWV1013/bwv1013_sax/bwv1013_sax.ly"),
    ),
    (
        "openscore_lieder",
        ("lc1.mid", "Schumann,_Clara/6_Lieder,_Op.23/4_Auf_einem/lc1.mxl"),
        ("lc2.mid", "Schumann,_Clara/6_Lieder,_Op.23/5_Das_ist/lc2.mxl"),
    ),
    ("open_hymnal", ("Away_In_A_Manger-Cradle.mid", ""), ("Away_In_A_Manger-Mueller.mid", "")),
    (
        "openewld_pd",
        ("After_the_Ball_be88c0.mid", "dataset/Charles_K._Harris/After_the_Ball/After_the_Ball.mxl"),
        ("After_the_Ball_000000.mid", "dataset/Charles_K._Harris/After_the_Ball/After_the_Ball2.mxl"),
    ),
    (
        "groove_midi",
        ("drummer1/session1/100_neworleans-secondline_94_beat_4-4.mid", ""),
        ("drummer1/session1/7_neworleans-secondline_94_fill_4-4.mid", ""),
    ),
]
DIFFERENT = [
    (
        "mutopia_pd_by",
        ("a.mid", "ftp/BachJS/BWV1013/bwv1013/bwv1013.ly"),
        ("a.mid", "ftp/BachJS/BWV1017/bwv1013/bwv1013.ly"),
    ),
    (
        "openscore_lieder",
        ("lc1.mid", "Brahms,_J/_/Song_A/lc1.mxl"),
        ("lc2.mid", "Brahms,_J/_/Song_B/lc2.mxl"),
    ),
    ("freedoom_music", ("d_e1m1.mid", ""), ("d_e1m2.mid", "")),
    (
        "groove_midi",
        ("drummer1/session1/100_rock_94_beat_4-4.mid", ""),
        ("drummer1/session1/100_rock_95_beat_4-4.mid", ""),
    ),
    ("my own clips", ("a/one.mid", ""), ("b/one.mid", "")),
]


@pytest.mark.parametrize(("pack", "one", "other"), SAME, ids=[case[0] for case in SAME])
def test_files_of_one_tune_share_a_key(pack: str, one: tuple[str, str], other: tuple[str, str]) -> None:
    assert key(pack, *one) == key(pack, *other)


@pytest.mark.parametrize(("pack", "one", "other"), DIFFERENT, ids=[case[0] for case in DIFFERENT])
def test_different_tunes_have_different_keys(pack: str, one: tuple[str, str], other: tuple[str, str]) -> None:
    assert key(pack, *one) != key(pack, *other)


def test_accents_case_and_punctuation_do_not_make_another_tune() -> None:
    assert key("openewld_pd", "x.mid", "dataset/A/À_la_Claire/f.mxl") == key(
        "openewld_pd", "y.mid", "dataset/a/a la claire/g.mxl"
    )


def test_tunes_are_split_about_nine_to_half_to_half_and_always_alike() -> None:
    splits = [split_of(f"tune {number}") for number in range(4000)]
    shares = [splits.count(name) / len(splits) for name in SPLITS]
    assert shares == pytest.approx([0.9, 0.05, 0.05], abs=0.015)
    assert split_of("mutopia_pd_by:bachjs/bwv1013") == split_of("mutopia_pd_by:bachjs/bwv1013")
    assert splits[:6] == [split_of(f"tune {number}") for number in range(6)]
