"""The page of a batch as HTML: everything that comes from outside is escaped here. No bpy."""

import os
from collections import Counter
from collections.abc import Sequence
from html import escape
from urllib.parse import quote

from ..errors import printable
from .page_cards import FAILED, UNRATED, Card, File

#: The page's words for verdicts, in the order of its filters.
WORDS = {"good": "Good", "check": "Check", "poor": "Poor", UNRATED: "Not rated", FAILED: "Failed"}
#: Which file a card shows of the head, best first.
PICTURES = ("render_threequarter.png", "render_front.png")
#: The views of a head side by side, the photo's first.
PREVIEW = "preview.png"
#: The face in the photo.
PHOTO = "photo.png"
#: What the 3D view can show where there is no view.js, if the page is served.
MODELS = ("head.glb", "surface.glb")
#: Smaller angles of the head are not shown, degrees.
STRAIGHT_DEG = 3.0


def text(value: str) -> str:
    """Any text, file names that are none included, for between tags and for attributes in quotes."""
    return escape(printable(value))


def link(*parts: str) -> str:
    """A relative address: file names, or names with "/", one below the other."""
    names = [name for part in parts for name in part.split("/")]
    return "/".join(quote(os.fsencode(name), safe="") for name in names)


def cards_html(cards: Sequence[Card]) -> str:
    """All cards, as list items."""
    return "\n".join(_card(card, index) for index, card in enumerate(cards))


def filters_html(cards: Sequence[Card]) -> str:
    """A button for each verdict that there is."""
    counts = Counter(card.verdict for card in cards)
    # A head that is there although something failed is found under both.
    counts[FAILED] = sum(bool(card.problem) for card in cards)
    buttons = [f'<button type="button" data-f="" aria-pressed="true">All <b>{len(cards)}</b></button>']
    buttons += [
        f'<button type="button" class="{key}" data-f="{key}" aria-pressed="false">'
        f"{word} <b>{counts[key]}</b></button>"
        for key, word in WORDS.items()
        if counts[key]
    ]
    return "\n".join(buttons)


def summary(cards: Sequence[Card], photos: int) -> str:
    """How many heads from how many photos, in words."""
    heads = sum(card.folder is not None for card in cards)
    failed = sum(card.verdict == FAILED for card in cards)
    parts = [f"{heads} head{'s' * (heads != 1)} from {photos} photo{'s' * (photos != 1)}"]
    if failed:
        parts.append(f"{failed} failed")
    return ", ".join(parts)


def _card(card: Card, index: int) -> str:
    keys = {
        "v": card.verdict,
        "p": "1" if card.problem else "",
        "q": text(f"{card.title} {card.photo}".casefold()),
        "e": _key(card.error_mm),
        "y": _key(None if card.yaw is None else abs(card.yaw)),
        "s": _key(card.face_px),
    }
    data = "".join(f' data-{key}="{value}"' for key, value in keys.items() if value)
    body = _head(card) if card.folder else ""
    title = f'<h2 title="{text(card.title)}"><bdi>{text(card.title)}</bdi></h2>'
    badge = (
        f'<p class="line"><span class="badge {card.verdict}">{WORDS[card.verdict]}</span>{_error(card)}</p>'
    )
    meta = f'<p class="meta">{_meta(card)}</p>' if card.folder else ""
    return (
        f'<li class="card" id="c{index}"{data}>{body}<div class="words">{title}{badge}{meta}'
        f"{_problem(card)}{_reasons(card)}</div>{_more(card)}</li>"
    )


def _head(card: Card) -> str:
    """The photo and the head: a button that opens the large view."""
    folder, names = card.folder or "", {file.name for file in card.files}
    title, pictures = text(card.title), []
    if PHOTO in names:
        pictures.append(_image(link(folder, PHOTO), f"The face in the photo: {title}"))
    shown = next((name for name in PICTURES if name in names), None)
    if shown:
        pictures.append(_image(link(folder, shown), f"The head in 3D: {title}"))
    elif PREVIEW in names and card.panels:
        # The three-quarter view of the photo (if there), front, three-quarter, side.
        style = f"object-position:{100 * (card.panels - 2) / max(card.panels - 1, 1):.4g}% 50%"
        pictures.append(_image(link(folder, PREVIEW), f"The head in 3D: {title}", style))
    elif card.turntable:
        pictures.append(_image(link(folder, card.turntable[0]), f"The head in 3D: {title}"))
    if not pictures:
        pictures.append('<span class="none">No picture was made</span>')
    data = f' data-view="{link(folder, "view.js")}"' if card.has_view else ""
    model = next((name for name in MODELS if name in names), None)
    data += f' data-model="{link(folder, model)}"' if model else ""
    return (
        f'<button type="button" class="open" aria-label="Look at {title}"{data}>{"".join(pictures)}</button>'
    )


def _image(address: str, alternative: str, style: str = "") -> str:
    styled = f' style="{style}"' if style else ""
    lazy = 'loading="lazy" decoding="async" width="256" height="256"'
    return f'<img src="{address}" alt="{alternative}" {lazy}{styled}>'


def _error(card: Card) -> str:
    if card.error_mm is None:
        return ""
    spread = f" ({card.spread_mm[0]:.1f}–{card.spread_mm[1]:.1f})" if card.spread_mm else ""
    return f' <span title="Expected error of the face\'s shape">error ≈ {card.error_mm:.1f} mm{spread}</span>'


def _meta(card: Card) -> str:
    parts = []
    if card.yaw is not None:
        parts.append(
            _turned(card.yaw, "right", "left", "turned") if abs(card.yaw) >= STRAIGHT_DEG else "frontal"
        )
    if card.pitch is not None and abs(card.pitch) >= STRAIGHT_DEG:
        parts.append(_turned(card.pitch, "up", "down", "looks"))
    if card.face_px is not None:
        parts.append(f"face {card.face_px:.0f} px")
    return " · ".join(parts)


def _turned(degrees: float, positive: str, negative: str, verb: str) -> str:
    return f"{verb} {abs(degrees):.0f}° {positive if degrees > 0 else negative}"


def _problem(card: Card) -> str:
    if not card.problem:
        return ""
    reason = card.problem[:1].upper() + card.problem[1:]
    return f'<p class="problem">{text(reason)}</p>'


def _reasons(card: Card) -> str:
    items = "".join(f"<li>{text(reason)}</li>" for reason in (*card.reasons, *card.remarks))
    return f'<ul class="reasons">{items}</ul>' if items else ""


def _more(card: Card) -> str:
    """Figures, seconds and files: folded up on the card, spread out in the large view."""
    if not card.folder:
        return ""
    rows = [*card.figures]
    if card.seconds:
        rows.append(("Time for the photo", f"{card.seconds:.1f} s"))
    figures = "".join(f"<dt>{text(name)}</dt><dd>{text(value)}</dd>" for name, value in rows)
    if card.timings:
        steps = ", ".join(f"{name} {seconds:.2f}" for name, seconds in card.timings.items())
        figures += f"<dt>Seconds by step</dt><dd>{text(steps)}</dd>"
    files = "".join(_file(card.folder, file) for file in card.files)
    if card.turntable:
        where = card.turntable[0].rpartition("/")[0]
        frames = " ".join(link(card.folder, name) for name in card.turntable)
        files += (
            f'<li><a href="{link(card.folder, where)}/" data-frames="{frames}">{text(where)}/</a> '
            f"<span>{len(card.turntable)} pictures</span></li>"
        )
    if card.asset:
        name = text(card.asset)
        shown = f'<a href="{link(card.asset_path)}">{name}</a>' if card.asset_path else f"<b>{name}</b>"
        files += f"<li>{shown} <span>in the asset library</span></li>"
    listed = f'<ul class="files">{files}</ul>' if files else ""
    return f'<details class="more"><summary>Figures and files</summary><dl>{figures}</dl>{listed}</details>'


def _file(folder: str, file: File) -> str:
    about = f' title="{text(file.description)}"' if file.description else ""
    size = f"{file.size / 1e6:.1f} MB" if file.size >= 1e5 else f"{max(file.size / 1e3, 0.1):.1f} kB"
    return f'<li><a href="{link(folder, file.name)}"{about}>{text(file.name)}</a> <span>{size}</span></li>'


def _key(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
