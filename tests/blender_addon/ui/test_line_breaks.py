"""Sentences broken into lines."""

from hypothesis import given
from hypothesis import strategies as st

from blender_addon.ui.line_breaks import wrapped

WORDS = st.lists(st.text(alphabet="abcdefgh", min_size=1, max_size=30), max_size=20)


@given(WORDS, st.integers(2, 40))
def test_no_line_is_wider_and_no_letter_is_lost(words, width):
    text = " ".join(words)
    lines = wrapped(text, width, len)
    assert all(0 < len(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_lines_break_between_words_where_they_can():
    assert wrapped("the head is complete", 9, len) == ["the head", "is", "complete"]
    assert wrapped("", 9, len) == []
