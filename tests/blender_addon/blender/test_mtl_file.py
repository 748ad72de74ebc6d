"""Materials of OBJ files, read line by line as other programs do."""

from blender_addon.blender.mtl_file import MtlMaterial, completed, mtl_name

FILE = b"""# Blender MTL File: 'None'

newmtl Ann_Lee_skin
Ns 250.000000
Ks 0.350000 0.350000 0.350000
Ni 1.500000
d 1.000000
illum 2
map_Kd albedo.png

newmtl Ann_Lee_cornea
Ns 960.400024
Ks 0.500000 0.500000 0.500000
Ni 4.650507
d 0.060000
illum 9

newmtl h\xc3\xa4t
Ks 0.100000 0.100000 0.100000
Ni 1.450000
illum 2
"""


def statements(data):
    """What a file says of each material."""
    materials = {}
    for line in data.decode().splitlines():
        key, _, value = line.partition(" ")
        if key == "newmtl":
            material = materials[value] = {}
        elif key and key != "#":
            assert key not in material
            material[key] = value
    return materials


def test_relief_and_refraction_are_named():
    before = statements(FILE)
    materials = {
        "Ann Lee skin": MtlMaterial(relief="Ann_normal.png"),
        "Ann Lee cornea": MtlMaterial(refraction=1.376, reflection=8.0),
    }
    after = statements(completed(FILE, materials))
    skin, cornea = before["Ann_Lee_skin"], before["Ann_Lee_cornea"]
    assert after["Ann_Lee_skin"] == skin | {"norm": "Ann_normal.png"}
    assert after["Ann_Lee_cornea"] == cornea | {"Ni": "1.376000", "Ks": "8.000000 8.000000 8.000000"}
    assert after["h\xe4t"] == before["h\xe4t"]


def test_what_is_not_named_stays_byte_for_byte():
    windows = FILE.replace(b"\n", b"\r\n")
    for data in (FILE, windows, b"", b"newmtl \xff\nillum 2"):
        assert completed(data, {}) == data
        assert completed(data, {"other": MtlMaterial("a.png", 1.3)}) == data
    relief = completed(windows, {"Ann Lee skin": MtlMaterial("n.png")})
    assert b"illum 2\r\nnorm n.png\r\n" in relief and mtl_name("a b\tc") == "a_b_c"
