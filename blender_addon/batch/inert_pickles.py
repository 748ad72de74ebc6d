"""Keeps a client of Dask from running what the machines of a cluster send: they may send data, no objects.

Dask unpickles whatever a message says is pickled, which runs whatever its sender wants. Here a pickle's
classes and functions are replaced by `Inert`, which does nothing, so that numbers, text, lists and
dictionaries arrive and everything else is harmless. Needs Dask, and is imported only where that is. No bpy.
"""

import contextlib
import functools
import io
import pickle
import struct
import sys
from collections.abc import Callable, Iterable, Iterator
from types import FunctionType, SimpleNamespace
from typing import Any, ClassVar
from unittest.mock import patch

import distributed.client
import distributed.protocol.pickle as dask_pickle
from distributed.scheduler import KilledWorker


class Bytes(bytes):
    """`bytes` of a text or of bytes; of a number, it would be so many zeros. Dask looks up what they are."""

    def __new__(cls, *args: Any) -> bytes:  # type: ignore[misc]
        """Plain ones. Raises UnpicklingError."""
        return bytes(*map(_no_number, args))


class ByteArray(bytearray):
    """`bytearray` of a text or of bytes."""

    def __new__(cls, *args: Any) -> bytearray:  # type: ignore[misc]
        """Plain ones. Raises UnpicklingError."""
        return bytearray(*map(_no_number, args))


def _no_number(value: Any) -> Any:
    if not isinstance(value, (bytes, bytearray, str, list, tuple)):
        raise pickle.UnpicklingError("a pickle asks for memory")
    return value


#: What a pickle may name: types of data, and what the scheduler says of a task that killed its workers.
ALLOWED: dict[tuple[str, str], Any] = {
    ("builtins", "bytes"): Bytes,
    ("builtins", "bytearray"): ByteArray,
    ("builtins", "set"): set,
    ("distributed.scheduler", "KilledWorker"): KilledWorker,
}
#: Gives an object the state that a pickle has for it.
BUILD: Callable[[Any], None] = pickle._Unpickler.dispatch[pickle.BUILD[0]]
#: Makes a traceback, of which there has to be a real one or none.
TRACEBACK = "unpickle_traceback"


class Inert(Exception):
    """What is there instead of an object of a class that is not allowed; takes everything, does nothing.

    An exception, for that is what Dask wants to raise where a worker has failed.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__("A machine of the cluster sent an object instead of data.")

    def __setstate__(self, state: Any) -> None:
        """Ignore the state."""

    def __call__(self, *args: Any, **kwargs: Any) -> "Inert":
        """Stand in for what a function would return."""
        return Inert()

    def append(self, item: Any) -> None:
        """Ignore an item."""

    def extend(self, items: Iterable[Any]) -> None:
        """Ignore items."""

    def __setitem__(self, key: Any, value: Any) -> None:
        """Ignore an item."""


class DataUnpickler(pickle._Unpickler):
    """Unpickles data; imports nothing and calls nothing that a pickle names.

    Python's own, in Python: that in C takes memory for as many values as a number in the pickle says.
    """

    read: Callable[[int], bytes]
    append: Callable[[Any], None]
    stack: list[Any]
    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = dict(pickle._Unpickler.dispatch)

    def load_bytearray8(self) -> None:
        """Bytes that can be changed, of which no more are made than there are."""
        (length,) = struct.unpack("<Q", self.read(8))
        self.append(bytearray(self.read(length)))

    dispatch[pickle.BYTEARRAY8[0]] = load_bytearray8

    def load_build(self) -> None:
        """Give an object its state; a class or a function has none that a pickle could change."""
        if isinstance(self.stack[-2], (type, FunctionType)):
            raise pickle.UnpicklingError("a pickle changes a class")
        BUILD(self)

    dispatch[pickle.BUILD[0]] = load_build

    def find_class(self, module: str, name: str) -> Any:
        """A stand-in for the class or function, unless it is one of `ALLOWED`."""
        if name == TRACEBACK:
            return lambda *_: None
        return ALLOWED.get((module, name), Inert)


def loads(data: bytes | bytearray | memoryview, *, buffers: Iterable[Any] = ()) -> Any:
    """Unpickle data, as `pickle.loads` does it with objects, too; what makes no sense is an `Inert`."""
    try:
        return DataUnpickler(io.BytesIO(data), buffers=buffers or None).load()
    except Exception:  # noqa: BLE001 (whatever a pickle can raise; an exception here would end the connection)
        return Inert()


@contextlib.contextmanager
def data_only() -> Iterator[None]:
    """Have Dask, in this process, unpickle data only while the context lasts.

    Dask has no option for that. The batch's process uses it for nothing else. What may have been passed by,
    as other versions of Dask may unpickle elsewhere, fails: nothing in this process finds a pickle's class.
    """
    stand_in = SimpleNamespace(**{**vars(pickle), "loads": loads})
    with (
        patch.object(dask_pickle, "loads", loads),
        # The client has Dask's own `loads` under a name of its own: for the types of results, and what `run`
        # brings back. That calls this.
        patch.object(dask_pickle, "pickle", stand_in),
        patch.object(distributed.client, "pickle", stand_in),
        _no_classes(),
        # Workers may have a client print and warn, escape sequences of terminals included.
        patch.object(distributed.Client, "_default_event_handlers", {}),
    ):
        yield


#: One for each `_no_classes` that lasts.
_refusing: list[None] = []


@contextlib.contextmanager
def _no_classes() -> Iterator[None]:
    """No unpickler of this process but `DataUnpickler` finds a class or a function."""
    _listen()
    _refusing.append(None)
    try:
        yield
    finally:
        _refusing.pop()


@functools.cache
def _listen() -> None:
    """Have Python ask before an unpickler looks for a class; that cannot be taken back."""
    sys.addaudithook(_refuse)


def _refuse(event: str, _: tuple[Any, ...]) -> None:
    if event == "pickle.find_class" and _refusing:
        raise pickle.UnpicklingError("a machine of the cluster sent an object instead of data")
