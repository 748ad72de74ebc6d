"""What a cluster's machines send is unpickled as data, wherever Dask does it."""

import pickle

import pytest

distributed = pytest.importorskip("distributed", reason="Dask is not installed (pip install -e '.[cluster]')")
inert_pickles = pytest.importorskip("blender_addon.batch.inert_pickles")

RUN = []


def note(what):
    RUN.append(what)


class Noting:
    def __reduce__(self):
        return note, ("run",)


def test_the_clients_own_name_for_unpickling_is_inert_too():
    """It is what the client unpickles the types of results with, which workers say."""
    RUN.clear()
    with inert_pickles.data_only():
        assert isinstance(distributed.client.loads(pickle.dumps(Noting())), inert_pickles.Inert)
        assert distributed.client.loads(pickle.dumps({"a": [1, b"2"]})) == {"a": [1, b"2"]}
    assert RUN == []


def test_no_other_unpickler_finds_a_class_meanwhile():
    RUN.clear()
    data = pickle.dumps(Noting())
    with inert_pickles.data_only():
        for unpickle in (pickle.loads, pickle._loads):
            with pytest.raises(pickle.UnpicklingError, match="an object instead of data"):
                unpickle(data)
        with inert_pickles.data_only():
            pass
        with pytest.raises(pickle.UnpicklingError):
            pickle.loads(data)
        assert pickle.loads(pickle.dumps([1, "a"])) == [1, "a"]
    assert RUN == []
    pickle.loads(data)
    assert RUN == ["run"]
