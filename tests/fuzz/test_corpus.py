"""The corpus, replayed; and what must hold for any bytes, a little of it, by hypothesis."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.properties import PROPERTIES

CORPUS = Path(__file__).parent / "corpus"
SEEDS = sorted(CORPUS.glob("*/*"))


def test_every_property_has_seeds_and_every_seed_a_property() -> None:
    assert {seed.parent.name for seed in SEEDS} == set(PROPERTIES)
    assert all(seed.stat().st_size <= 4096 for seed in SEEDS)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: f"{seed.parent.name}-{seed.name}")
def test_the_corpus_holds_no_finding(seed: Path) -> None:
    PROPERTIES[seed.parent.name](seed.read_bytes())


@pytest.mark.parametrize("name", PROPERTIES)
def test_any_bytes_at_all_break_no_property(name: str) -> None:
    seeds = [seed.read_bytes() for seed in SEEDS if seed.parent.name == name]

    @given(st.sampled_from(seeds), st.integers(0, 300), st.binary(max_size=40), st.integers(0, 40))
    @settings(max_examples=30, deadline=None, database=None)
    def check(seed: bytes, at: int, noise: bytes, dropped: int) -> None:
        PROPERTIES[name](seed[:at] + noise + seed[at + dropped :])

    check()
