"""libsamebits through ctypes: include/samebits/api.h, and the few functions beside it that are used as they are."""

import ctypes
import os
from ctypes import POINTER, byref, c_char_p, c_int, c_int64, c_void_p

API = 1


class SamebitsError(Exception):
    """What libsamebits refused, in its own words; `status` is its sb_status."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


USAGE, INVALID, UNSUPPORTED = 1, 2, 3


class Tensor(ctypes.Structure):
    _fields_ = [("format", c_int), ("rank", c_int), ("dims", c_int64 * 8), ("data", c_void_p)]

    @property
    def shape(self):
        return tuple(self.dims[: self.rank])


class Comparison(ctypes.Structure):
    _fields_ = [("elements", c_int64), ("different", c_int64), ("first", c_int64)]


def library_path():
    """The library: SAMEBITS_LIBRARY, the installed package's own, or that of a build of the sources beside it."""
    here = os.path.dirname(os.path.abspath(__file__))
    places = [os.path.join(here, "libsamebits.so.0"), os.path.join(here, "..", "..", "build", "libsamebits.so.0")]
    given = os.environ.get("SAMEBITS_LIBRARY")
    for path in [given] if given else places:
        if os.path.exists(path):
            return os.path.realpath(path)
    raise ImportError("samebits: no libsamebits at " + (given or " or ".join(places)))


def _open():
    library = ctypes.CDLL(library_path())
    if library.sb_api() != API:
        raise ImportError(f"{library_path()}: its interface is {library.sb_api()}, this module's is {API}")
    texts, tensors = POINTER(c_void_p), POINTER(Tensor)
    arguments = {
        "sb_version": (c_char_p, []),
        "sb_message": (c_char_p, []),
        "sb_api_free": (None, [c_void_p]),
        "sb_api_format": (c_char_p, [c_int]),
        "sb_api_slot": (c_char_p, [c_int]),
        "sb_api_cases": (c_int, [POINTER(c_char_p), texts]),
        "sb_api_open": (c_int, [c_char_p, POINTER(c_void_p)]),
        "sb_api_close": (None, [c_void_p]),
        "sb_api_in": (tensors, [c_void_p]),
        "sb_api_expected": (tensors, [c_void_p]),
        "sb_api_explain": (c_int, [c_char_p, texts, texts, POINTER(c_int)]),
        "sb_contracts_add": (c_int, [c_char_p]),
        "sb_compare": (c_int, [tensors, tensors, POINTER(Comparison), c_void_p, c_void_p]),
        "sb_element_text": (c_char_p, [tensors, c_int64, c_char_p]),
    }
    for name, (result, parameters) in arguments.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, parameters
    return library


lib = _open()
FORMATS = {}  # name: number
while lib.sb_api_format(len(FORMATS)):
    FORMATS[lib.sb_api_format(len(FORMATS)).decode()] = len(FORMATS)
FORMAT_NAMES = list(FORMATS)
SLOTS = []
while lib.sb_api_slot(len(SLOTS)):
    SLOTS.append(lib.sb_api_slot(len(SLOTS)).decode())


def version():
    """The library's version, commit, and what its kernels were made by."""
    return lib.sb_version().decode()


def must(status):
    if status:
        raise SamebitsError(status, lib.sb_message().decode(errors="replace"))


def take(text):
    """A text that the library gave, as a str."""
    try:
        return ctypes.string_at(text).decode() if text else ""
    finally:
        lib.sb_api_free(text)


def text_of(value):
    return None if value is None else str(value).encode()


def case_lines(words):
    """The canonical cases of a selection: recipe, side, step, flavor, dtype, shape, group, fill, seed, tier."""
    lines = c_void_p()
    must(lib.sb_api_cases((c_char_p * 10)(*[text_of(w) for w in words]), byref(lines)))
    return take(lines.value).split()


class Handle:
    """A computation's tensors: what it takes, and what it should give. They live as long as this does."""

    def __init__(self, text):
        self.handle = c_void_p()
        must(lib.sb_api_open(text.encode(), byref(self.handle)))

    def __del__(self):
        if getattr(self, "handle", None):
            lib.sb_api_close(self.handle)

    def _slots(self, tensors):
        return {name: tensors[i] for i, name in enumerate(SLOTS) if tensors[i].data}

    def inputs(self):
        return self._slots(lib.sb_api_in(self.handle))

    def expected(self):
        return self._slots(lib.sb_api_expected(self.handle))


def compare(expected, got):
    result = Comparison()
    must(lib.sb_compare(byref(expected), byref(got), byref(result), None, None))
    return result


def element(tensor, index):
    room = ctypes.create_string_buffer(64)
    return lib.sb_element_text(byref(tensor), index, room).decode()


def explain_file(path):
    text, mechanisms, verdict = c_void_p(), c_void_p(), c_int()
    must(lib.sb_api_explain(os.fsencode(path), byref(text), byref(mechanisms), byref(verdict)))
    return take(text.value), [m for m in take(mechanisms.value).split(",") if m], verdict.value
