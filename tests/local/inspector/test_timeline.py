from hypothesis import given
from hypothesis import strategies as st

from streamify_server.local.inspector.timeline import Bar, Gap, Kind, Timeline


def test_a_chunk_is_a_bar() -> None:
    timeline = Timeline()
    timeline.add(0.5, 3, "abc")
    assert timeline.bars == [Bar(0.5, 0.5, 3, 1, "abc")]
    assert (timeline.first, timeline.last, timeline.longest_gap) == (0.5, 0.5, None)


def test_the_longest_gap_lies_between_chunks_and_not_before_the_first() -> None:
    timeline = Timeline()
    for at in (9.0, 9.5, 12.0, 12.5):
        timeline.add(at, 1)
    assert timeline.longest_gap == Gap(9.5, 12.0)


def test_merged_bars_are_of_the_most_telling_kind() -> None:
    timeline = Timeline(max_bars=2)
    kinds: list[Kind] = ["head", "data", "data", "error", "end"]
    for number, kind in enumerate(kinds):
        timeline.add(float(number), 1, kind=kind)
    assert [bar.kind for bar in timeline.bars] == ["error", "end"]


def test_text_that_completes_late_belongs_to_the_last_bar() -> None:
    timeline = Timeline()
    timeline.add(1.0, 2, "a")
    timeline.add_text("\\xc3")
    assert timeline.bars[-1].text == "a\\xc3"


def test_every_bar_holds_as_many_chunks_as_the_others() -> None:
    timeline = Timeline(max_bars=10)
    for number in range(1000):
        timeline.add(float(number), 1)
    assert [bar.chunks for bar in timeline.bars] == [128] * 7 + [104]


@given(st.lists(st.tuples(st.floats(0, 100), st.integers(1, 1000)), min_size=1, max_size=200))
def test_too_many_chunks_halve_the_resolution_and_lose_nothing(chunks: list[tuple[float, int]]) -> None:
    timeline = Timeline(max_bars=8)
    for number, (at, size) in enumerate(sorted(chunks)):
        timeline.add(at, size, f"{number},")
        assert len(timeline.bars) <= 8
    assert sum(bar.size for bar in timeline.bars) == timeline.bytes == sum(size for _, size in chunks)
    assert sum(bar.chunks for bar in timeline.bars) == timeline.chunks == len(chunks)
    assert "".join(bar.text for bar in timeline.bars) == "".join(
        f"{number}," for number in range(len(chunks))
    )
    assert [bar.at for bar in timeline.bars] == sorted(bar.at for bar in timeline.bars)
    assert timeline.bars[0].at == timeline.first
    assert timeline.bars[-1].until == timeline.last
