"""Reads the compiler's index store, for the functions of a package and the calls between them.

The library is part of the toolchain; its interface is indexstore.h of swift-lang/llvm-project.
"""

import ctypes
import pathlib
import shutil

DEFINITION, CHILD_OF, CALLED_BY = 1 << 1, 1 << 9, 1 << 13
RECORD = 2


class Text(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("length", ctypes.c_size_t)]

    def __str__(self):
        return ctypes.string_at(self.data, self.length).decode(errors="replace")


Pointer = ctypes.c_void_p
EachText = ctypes.CFUNCTYPE(ctypes.c_bool, Pointer, Text)
EachPointer = ctypes.CFUNCTYPE(ctypes.c_bool, Pointer, Pointer)


class Failure(Exception):
    pass


class IndexStore:
    """The index of one build."""

    def __init__(self, path):
        swiftc = shutil.which("swiftc")
        library = pathlib.Path(swiftc).resolve().parent.parent / "lib" / "libIndexStore.so" if swiftc else None
        if not library or not library.exists():
            raise Failure(f"the toolchain has no {library or 'swiftc'}: install Swift from swift.org")
        self.library = ctypes.CDLL(str(library))
        self.store = self.call("store_create", Pointer, ctypes.c_char_p(str(path).encode()), Pointer())
        if not self.store:
            raise Failure(f"{path} is not an index of the compiler")

    def call(self, name, result, *arguments):
        function = getattr(self.library, "indexstore_" + name)
        function.restype = result
        return function(*arguments)

    def each(self, name, kind, *arguments):
        """Returns the items that the library passes to a callback, each converted in the callback."""
        found = []
        convert = arguments[-1]
        callback = kind(lambda _, item: (found.append(convert(item)), True)[1])
        self.call(name, ctypes.c_bool, *arguments[:-1], Pointer(), callback)
        return found

    def symbol(self, symbol):
        return (str(self.call("symbol_get_usr", Text, Pointer(symbol))),
                str(self.call("symbol_get_name", Text, Pointer(symbol))))

    def relation(self, relation):
        return (self.call("symbol_relation_get_roles", ctypes.c_uint64, Pointer(relation)),
                *self.symbol(self.call("symbol_relation_get_symbol", Pointer, Pointer(relation))))

    def occurrence(self, occurrence):
        line, column = ctypes.c_uint(), ctypes.c_uint()
        occurrence = Pointer(occurrence)
        self.call("occurrence_get_line_col", None, occurrence, ctypes.byref(line), ctypes.byref(column))
        return (line.value, column.value, self.call("occurrence_get_roles", ctypes.c_uint64, occurrence),
                *self.symbol(self.call("occurrence_get_symbol", Pointer, occurrence)),
                self.each("occurrence_relations_apply_f", EachPointer, occurrence, self.relation))

    def occurrences(self, wanted):
        """Yields (path, line, column, roles, usr, name, relations) of the files for which `wanted` returns true."""
        seen = set()
        for unit in self.each("store_units_apply_f", EachText, Pointer(self.store), ctypes.c_uint(1), str):
            reader = Pointer(self.call("unit_reader_create", Pointer, Pointer(self.store), ctypes.c_char_p(unit.encode()), Pointer()))
            records = self.each("unit_reader_dependencies_apply_f", EachPointer, reader, self.dependency)
            self.call("unit_reader_dispose", None, reader)
            for kind, record, path in records:
                if kind != RECORD or record in seen or not wanted(path):
                    continue
                seen.add(record)
                reader = Pointer(self.call("record_reader_create", Pointer, Pointer(self.store), ctypes.c_char_p(record.encode()), Pointer()))
                for occurrence in self.each("record_reader_occurrences_apply_f", EachPointer, reader, self.occurrence):
                    yield (path, *occurrence)
                self.call("record_reader_dispose", None, reader)

    def dependency(self, dependency):
        dependency = Pointer(dependency)
        return (self.call("unit_dependency_get_kind", ctypes.c_int, dependency),
                str(self.call("unit_dependency_get_name", Text, dependency)),
                str(self.call("unit_dependency_get_filepath", Text, dependency)))
