"""Binary FBX files without run-dependent data and paths of this computer. No bpy.

Blender's exporter writes the time of day, numbers that it makes of Python's hashes, which are others in each
process, absolute paths of pictures, and normals with noise in their last digits. A file that is read, cleaned
and written here has none of them: the same head gives the same bytes.

The format is not published; what is used of it is described by the Blender Foundation ("FBX binary file
format specification", code.blender.org, 2013).
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from .fbx_normals import stable_normals

MAGIC = b"Kaydara FBX Binary  \x00\x1a\x00"
#: From this version on, offsets in node headers have 64 bits instead of 32.
WIDE_VERSION = 7500
#: Bytes of values by type code; arrays (f, d, l, i, b) and S, R have their length in front.
SIZES = {"C": 1, "B": 1, "Z": 1, "Y": 2, "I": 4, "F": 4, "D": 8, "L": 8}
#: Bytes of the footer before its padding: an id, and a number.
FOOTER_ID_BYTES = 16 + 4
#: Bytes of the footer after its padding and the version.
FOOTER_END_BYTES = 120 + 16
#: Bytes that the footer's padding fills up to a multiple of.
ALIGNMENT = 16
#: The time that Blender's exporter gives as the file's, in its two ways.
TIME = b"1970-01-01 10:00:00:000"
TIME_PARTS = {
    b"Year": 1970,
    b"Month": 1,
    b"Day": 1,
    b"Hour": 10,
    b"Minute": 0,
    b"Second": 0,
    b"Millisecond": 0,
}
TIME_PROPERTIES = (b"Original|DateTime_GMT", b"LastSaved|DateTime_GMT")
#: Nodes with names of files.
PATH_NODES = (b"FileName", b"Filename", b"RelativeFilename")
#: Properties with names of files.
PATH_PROPERTIES = (b"Path", b"RelPath")
#: numpy's types of arrays by type code.
ARRAY_TYPES = {"f": "<f4", "d": "<f8", "i": "<i4", "l": "<i8"}
#: Bytes of an array's header: number of values, encoding, bytes.
ARRAY_HEADER_BYTES = 12
#: The encoding of arrays that are compressed; 0 stands for all others.
ZLIB_ENCODING = 1
#: Level that Blender compresses at.
ZLIB_LEVEL = 1
#: The first of the numbers that objects get; 0 is the scene's root.
FIRST_ID = 1_000_000


@dataclass
class FbxNode:
    """A node: `values` are its properties, (type code, bytes as in the file, without the code)."""

    name: bytes
    values: list[tuple[str, bytes]] = field(default_factory=list)
    children: list["FbxNode"] = field(default_factory=list)
    #: A list of children ends with an empty record; some have one without having children.
    has_list: bool = False

    def walk(self) -> Iterator["FbxNode"]:
        """This node and all below it."""
        yield self
        for child in self.children:
            yield from child.walk()


def cleaned(data: bytes) -> bytes:
    """The same FBX file with fixed times, numbers and normals, and names of files instead of paths.

    Args:
        data: A binary FBX file.

    Raises:
        ValueError: It is none, or damaged.
    """
    try:
        version, nodes, footer = parse(data)
        _fix_ids(nodes)
        for node in (found for top in nodes for found in top.walk()):
            _fix_times(node)
            _fix_paths(node)
            if node.name == b"Geometry":
                _fix_normals(node)
        return _serialized(version, nodes, footer)
    except (struct.error, zlib.error, IndexError, KeyError, UnicodeDecodeError) as error:
        raise ValueError(f"it is damaged ({error})") from error


def _fix_ids(nodes: list[FbxNode]) -> None:
    """Number objects in their order in the file instead of by Python's hashes."""
    numbers: dict[bytes, bytes] = {}
    for top in nodes:
        for node in top.children if top.name in (b"Objects", b"Documents") else ():
            if node.values and node.values[0][0] == "L":
                numbers.setdefault(node.values[0][1], struct.pack("<q", FIRST_ID + len(numbers)))
    for top in nodes:
        if top.name in (b"Objects", b"Documents", b"Connections"):
            for node in top.walk():
                node.values = [(c, numbers.get(raw, raw) if c == "L" else raw) for c, raw in node.values]


def _fix_times(node: FbxNode) -> None:
    if node.name == b"CreationTimeStamp":
        for child in node.children:
            if child.name in TIME_PARTS:
                child.values = [("I", struct.pack("<i", TIME_PARTS[child.name]))]
    if node.name == b"P" and _text(node, 0) in TIME_PROPERTIES:
        node.values[-1] = ("S", _string(TIME))


def _fix_paths(node: FbxNode) -> None:
    is_property = node.name == b"P" and _text(node, 0) in PATH_PROPERTIES
    if (node.name in PATH_NODES or is_property) and node.values and node.values[-1][0] == "S":
        path = node.values[-1][1][4:].replace(b"\\", b"/").rstrip(b"/")
        node.values[-1] = ("S", _string(path.rpartition(b"/")[2]))


def _fix_normals(geometry: FbxNode) -> None:
    """Compute the normals of a mesh's vertices anew."""
    named = {node.name: node for node in geometry.walk() if node.values}
    nodes = [named.get(name) for name in (b"Vertices", b"PolygonVertexIndex", b"Normals")]
    vertices, corners, normals = (_array(node) if node else None for node in nodes)
    if vertices is None or corners is None or normals is None or corners.dtype.kind != "i":
        return  # a blendshape
    if not len(corners) or corners[-1] >= 0 or len(normals) != 3 * len(corners) or len(vertices) % 3:
        return  # normals by vertex or by index, which this Blender has not summed
    fixed = stable_normals(vertices.reshape(-1, 3), corners, normals.reshape(-1, 3))
    node = named[b"Normals"]
    code, raw = node.values[0]
    _, encoding, _ = struct.unpack_from("<III", raw)
    data = fixed.astype(ARRAY_TYPES[code]).tobytes()
    data = zlib.compress(data, ZLIB_LEVEL) if encoding == ZLIB_ENCODING else data
    node.values[0] = (code, struct.pack("<III", fixed.size, encoding, len(data)) + data)


def _array(node: FbxNode) -> np.ndarray | None:
    """The numbers of a node's first property; None if it is no array of them."""
    code, raw = node.values[0]
    if code not in ARRAY_TYPES:
        return None
    count, encoding, _ = struct.unpack_from("<III", raw)
    data = raw[ARRAY_HEADER_BYTES:]
    values = np.frombuffer(zlib.decompress(data) if encoding == ZLIB_ENCODING else data, ARRAY_TYPES[code])
    if len(values) != count:
        raise ValueError("it is damaged (an array of another length)")
    return values


def _text(node: FbxNode, index: int) -> bytes:
    """The text of a node's property, empty if it is of another kind."""
    code, raw = node.values[index] if len(node.values) > index else ("", b"")
    return raw[4:] if code == "S" else b""


def _string(text: bytes) -> bytes:
    return struct.pack("<I", len(text)) + text


def parse(data: bytes) -> tuple[int, list[FbxNode], bytes]:
    """The version, the top nodes and the footer of a file. Raises ValueError, and what `cleaned` catches."""
    if not data.startswith(MAGIC):
        raise ValueError("it is no binary FBX file")
    (version,) = struct.unpack_from("<I", data, len(MAGIC))
    nodes: list[FbxNode] = []
    position = len(MAGIC) + 4
    while True:
        node, position = _read_node(data, position, version >= WIDE_VERSION)
        if node is None:
            return version, nodes, data[position:]
        nodes.append(node)


def _read_node(data: bytes, position: int, wide: bool) -> tuple[FbxNode | None, int]:
    """The node at `position`, None for the record that ends a list, and where the next one begins."""
    layout = struct.Struct("<QQQB" if wide else "<IIIB")
    end, count, _, name_length = layout.unpack_from(data, position)
    position += layout.size
    if end == 0:
        return None, position
    if not position <= end <= len(data):
        raise ValueError("it is damaged (a node ends outside the file)")
    node = FbxNode(data[position : position + name_length])
    position += name_length
    for _ in range(count):
        code = chr(data[position])
        size = _value_size(data, position + 1, code)
        node.values.append((code, data[position + 1 : position + 1 + size]))
        position += 1 + size
    while position < end:
        node.has_list = True
        child, position = _read_node(data, position, wide)
        if child is None:
            break
        node.children.append(child)
    return node, end


def _value_size(data: bytes, position: int, code: str) -> int:
    if code in SIZES:
        return SIZES[code]
    if code in "SR":
        return 4 + int(struct.unpack_from("<I", data, position)[0])
    if code in "fdlibc":
        _, _, size = struct.unpack_from("<III", data, position)  # number of values, encoding, bytes
        return 12 + int(size)
    raise ValueError(f"it is damaged (a value of the kind {code!r})")


def _serialized(version: int, nodes: list[FbxNode], footer: bytes) -> bytes:
    wide = version >= WIDE_VERSION
    out = bytearray(MAGIC + struct.pack("<I", version))
    for node in nodes:
        _write_node(out, node, wide)
    out += bytes(25 if wide else 13)
    out += footer[:FOOTER_ID_BYTES]
    out += bytes(ALIGNMENT - len(out) % ALIGNMENT)  # one to sixteen
    out += struct.pack("<I", version) + footer[-FOOTER_END_BYTES:]
    return bytes(out)


def _write_node(out: bytearray, node: FbxNode, wide: bool) -> None:
    layout = struct.Struct("<QQQB" if wide else "<IIIB")
    start = len(out)
    values = b"".join(code.encode("ascii") + raw for code, raw in node.values)
    out += bytes(layout.size) + node.name + values
    for child in node.children:
        _write_node(out, child, wide)
    if node.has_list:
        out += bytes(layout.size)
    layout.pack_into(out, start, len(out), len(node.values), len(values), len(node.name))
