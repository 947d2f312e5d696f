# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, infer_types=False
"""From Avro's bytes to messages and back without a dict between: the types of a plan, compiled.

A plan (:mod:`verbwire.wire.avro.compiled`) is a tree of the nodes below, made once for a pair of schemas. Each node reads
and writes the values of one type, and knows whether a value is in the one form that reading gives. They take what is
exactly right and nothing else: for every other value, and for bytes that are not beyond doubt, they raise
:class:`UnplannedError`, and fastavro with the checks around it, the reference, decides and words the error.

Source: Avro 1.12 specification, "Binary Encoding"; days from civil dates by H. Hinnant, "chrono-Compatible Low-Level
Date Algorithms".
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.datetime cimport (
    PyDate_CheckExact, PyDateTime_CheckExact, PyTime_CheckExact, date_new, datetime_day, datetime_fold, datetime_hour,
    datetime_microsecond, datetime_minute, datetime_month, datetime_new, datetime_second, datetime_tzinfo,
    datetime_year, import_datetime, time_fold, time_hour, time_microsecond, time_minute, time_new, time_second,
    time_tzinfo, date_year, date_month, date_day,
)
from cpython.dict cimport PyDict_Check, PyDict_GetItem, PyDict_Next, PyDict_SetItem, PyDict_Size
from cpython.float cimport PyFloat_AS_DOUBLE, PyFloat_CheckExact, PyFloat_FromDouble
from cpython.list cimport PyList_CheckExact
from cpython.long cimport PyLong_CheckExact
from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from cpython.object cimport PyObject, PyObject_TypeCheck, PyTypeObject
from cpython.ref cimport Py_DECREF, Py_INCREF
from cpython.tuple cimport PyTuple_CheckExact, PyTuple_GET_ITEM, PyTuple_GET_SIZE
from cpython.unicode cimport PyUnicode_Check, PyUnicode_CheckExact, PyUnicode_DecodeUTF8
from libc.math cimport isinf, isnan
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcmp, memcpy

from datetime import UTC
from decimal import Decimal
from uuid import UUID

from msgspec import Struct, json

from verbwire.wire.avro.frozen_map import FrozenMap

cdef extern from "Python.h":
    object PyObject_Vectorcall(object callable, PyObject **args, size_t count, object names)
    const char *PyUnicode_AsUTF8AndSize(object text, Py_ssize_t *size) except NULL
    long long PyLong_AsLongLongAndOverflow(object number, int *overflow) except? -1

import_datetime()

cdef object _UTC = UTC
cdef object _Decimal = Decimal
cdef object _UUID = UUID
cdef object _FrozenMap = FrozenMap
cdef PyTypeObject *_STRUCT = <PyTypeObject *>Struct

cdef object _encode_json = json.encode
cdef const unsigned char *_HEX = b"0123456789abcdef"
cdef const unsigned char *_ESCAPES = b"uuuuuuuubtnufruuuuuuuuuuuuuuuuuu"  # of control characters
cdef const unsigned char *_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

cdef enum:
    ON_STACK = 64  # fields of a record that need no memory of their own
    SHORT = 1024  # bytes of a message that need none
    FRAME = 5  # bytes before a message

cdef int64_t SAFE_INTEGER = 9007199254740991  # verbwire.wire.json.numbers has it, too


class UnplannedError(ValueError):
    """These bytes, or this value, are not beyond doubt: the reference decides about them."""


# -- bytes

cdef struct Source:
    const unsigned char *at
    const unsigned char *end


cdef struct Sink:
    unsigned char *data
    Py_ssize_t used
    Py_ssize_t room
    unsigned char *stack


cdef int doubt(str why) except -1:
    raise UnplannedError(why)


cdef inline int64_t read_long(Source *source) except? -1:
    """A number of one to ten bytes; the tenth has the last bit."""
    cdef uint64_t found = 0
    cdef unsigned char byte
    cdef int shift = 0
    while True:
        if source.at >= source.end:
            doubt("a number ends early")
        byte = source.at[0]
        source.at += 1
        if shift == 63 and byte > 1:
            doubt("a number has more than 64 bits")
        found |= <uint64_t>(byte & 0x7F) << shift
        if byte < 0x80:
            return <int64_t>(found >> 1) ^ -<int64_t>(found & 1)
        shift += 7


cdef inline int64_t read_int(Source *source) except? -1:
    cdef int64_t found = read_long(source)
    if found < -2147483648 or found > 2147483647:
        doubt("more than 32 bits")
    return found


cdef inline const unsigned char *take(Source *source, int64_t size) except NULL:
    cdef const unsigned char *found = source.at
    if size < 0 or size > source.end - source.at:
        doubt("more bytes are announced than there are")
    source.at += size
    return found


cdef int grow(Sink *sink, Py_ssize_t size) except -1:
    cdef Py_ssize_t room = 2 * (sink.room + size)
    cdef unsigned char *data
    if sink.data == sink.stack:
        data = <unsigned char *>PyMem_Malloc(room)
        if data != NULL:
            memcpy(data, sink.data, sink.used)
    else:
        data = <unsigned char *>PyMem_Realloc(sink.data, room)
    if data == NULL:
        raise MemoryError
    sink.data = data
    sink.room = room
    return 0


cdef inline int write_long(Sink *sink, int64_t value) except -1:
    cdef uint64_t rest = (<uint64_t>value << 1) ^ <uint64_t>(value >> 63)
    if sink.room - sink.used < 10:
        grow(sink, 10)
    while rest >= 0x80:
        sink.data[sink.used] = <unsigned char>(rest | 0x80)
        sink.used += 1
        rest >>= 7
    sink.data[sink.used] = <unsigned char>rest
    sink.used += 1
    return 0


cdef inline int write_raw(Sink *sink, const void *data, Py_ssize_t size) except -1:
    if sink.room - sink.used < size:
        grow(sink, size)
    memcpy(sink.data + sink.used, data, size)
    sink.used += size
    return 0


cdef inline int64_t whole(object value) except? -1:
    """The value of an int (no bool) of at most 64 bits."""
    cdef int overflow = 0
    cdef int64_t found
    if not PyLong_CheckExact(value):
        doubt("no int")
    found = PyLong_AsLongLongAndOverflow(value, &overflow)
    if overflow:
        doubt("more than 64 bits")
    return found


# -- dates

cdef inline int64_t days_of(int64_t year, int month, int day) noexcept:
    """Days since 1970-01-01 of a civil date."""
    cdef int64_t era, of_era, of_year
    if month <= 2:
        year -= 1
    era = (year if year >= 0 else year - 399) // 400
    of_era = year - era * 400
    of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468


cdef inline int civil_of(int64_t days, int *year, int *month, int *day) except -1:
    """The civil date of days since 1970-01-01, within the years that Python knows."""
    cdef int64_t era, of_era, years, of_year, shifted
    if days < -719162 or days > 2932896:
        doubt("a day outside the years 1 to 9999")
    days += 719468
    era = (days if days >= 0 else days - 146096) // 146097
    of_era = days - era * 146097
    years = (of_era - of_era // 1460 + of_era // 36524 - of_era // 146096) // 365
    of_year = of_era - (365 * years + years // 4 - years // 100)
    shifted = (5 * of_year + 2) // 153
    day[0] = <int>(of_year - (153 * shifted + 2) // 5 + 1)
    month[0] = <int>(shifted + 3 if shifted < 10 else shifted - 9)
    year[0] = <int>(years + era * 400 + (1 if month[0] <= 2 else 0))
    return 0


cdef inline int64_t floored(int64_t value, int64_t by) noexcept:
    cdef int64_t found = value // by
    return found - 1 if value % by < 0 else found


# -- JSON

cdef inline int show_long(Sink *sink, int64_t value) except -1:
    cdef unsigned char text[20]
    cdef int at = 20
    cdef uint64_t rest = <uint64_t>value if value >= 0 else 0 - <uint64_t>value
    while True:
        at -= 1
        text[at] = <unsigned char>(48 + rest % 10)
        rest //= 10
        if rest == 0:
            break
    if value < 0:
        at -= 1
        text[at] = 45
    return write_raw(sink, text + at, 20 - at)


cdef int show_double(Sink *sink, double value) except -1:
    if isnan(value):
        return write_raw(sink, b'"NaN"', 5)
    if isinf(value):
        return write_raw(sink, b'"Infinity"', 10) if value > 0 else write_raw(sink, b'"-Infinity"', 11)
    text = _encode_json(value)
    return write_raw(sink, PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))


cdef int show_text(Sink *sink, const unsigned char *text, int64_t size) except -1:
    """Text with what JSON wants escaped; UnicodeDecodeError where it is no UTF-8."""
    cdef int64_t at, begin = 0
    cdef unsigned char letter
    cdef bint ascii = True
    cdef unsigned char code[6]
    write_raw(sink, b'"', 1)
    for at in range(size):
        letter = text[at]
        if letter >= 0x80:
            ascii = False
        elif letter < 0x20 or letter == 0x22 or letter == 0x5C:
            write_raw(sink, text + begin, at - begin)
            begin = at + 1
            code[0] = 0x5C
            code[1] = _ESCAPES[letter] if letter < 0x20 else letter
            if code[1] != 0x75:
                write_raw(sink, code, 2)
                continue
            code[2] = code[3] = 0x30
            code[4] = _HEX[letter >> 4]
            code[5] = _HEX[letter & 15]
            write_raw(sink, code, 6)
    if not ascii:
        PyUnicode_DecodeUTF8(<const char *>text, <Py_ssize_t>size, NULL)
    write_raw(sink, text + begin, size - begin)
    return write_raw(sink, b'"', 1)


cdef int show_bytes(Sink *sink, const unsigned char *data, int64_t size) except -1:
    """Base64 of RFC 4648, section 4."""
    cdef unsigned char group[4]
    cdef uint64_t bits
    cdef int64_t at = 0
    cdef int left
    write_raw(sink, b'"', 1)
    while at < size:
        left = 3 if size - at > 3 else <int>(size - at)
        bits = <uint64_t>data[at] << 16
        if left > 1:
            bits |= <uint64_t>data[at + 1] << 8
        if left > 2:
            bits |= data[at + 2]
        group[0] = _BASE64[bits >> 18]
        group[1] = _BASE64[bits >> 12 & 63]
        group[2] = _BASE64[bits >> 6 & 63] if left > 1 else 0x3D
        group[3] = _BASE64[bits & 63] if left > 2 else 0x3D
        write_raw(sink, group, 4)
        at += 3
    return write_raw(sink, b'"', 1)


cdef inline void digits(unsigned char *text, int64_t value, int count) noexcept:
    while count:
        count -= 1
        text[count] = <unsigned char>(48 + value % 10)
        value //= 10


cdef int show_date(Sink *sink, int year, int month, int day) except -1:
    cdef unsigned char text[10]
    text[4] = text[7] = 45
    digits(text, year, 4)
    digits(text + 5, month, 2)
    digits(text + 8, day, 2)
    return write_raw(sink, text, 10)


cdef int show_time(Sink *sink, int64_t microseconds) except -1:
    """Of a day; RFC 3339 as msgspec writes it: a fraction has six digits, or is not there."""
    cdef unsigned char text[15]
    cdef int64_t seconds = microseconds // 1000000
    text[2] = text[5] = 58
    text[8] = 46
    digits(text, seconds // 3600, 2)
    digits(text + 3, seconds // 60 % 60, 2)
    digits(text + 6, seconds % 60, 2)
    digits(text + 9, microseconds % 1000000, 6)
    return write_raw(sink, text, 15 if microseconds % 1000000 else 8)


# -- types

cdef class Node:
    """A type of a plan."""

    cdef object read(self, Source *source):
        """Return the next value."""
        raise NotImplementedError

    cdef int show(self, Source *source, Sink *sink) except -1:
        """Write the next value as JSON, as :mod:`verbwire.http.avro_json` writes what :meth:`read` returns."""
        raise NotImplementedError

    def shows(self):
        """Whether :meth:`show` can do that."""
        return False

    cdef int skip(self, Source *source) except -1:
        """Pass over the next value, as strictly as it would be read."""
        self.read(source)
        return 0

    cdef int write(self, object value, Sink *sink) except -1:
        """Write a value; of several forms of one value some are taken, as the reference takes them."""
        raise NotImplementedError

    cdef bint tidy(self, object value) except -1:
        """Whether a value is in the one form that reading gives."""
        raise NotImplementedError


cdef class Null(Node):
    """Takes no bytes."""

    cdef object read(self, Source *source):
        return None

    cdef int show(self, Source *source, Sink *sink) except -1:
        return write_raw(sink, b"null", 4)

    def shows(self):
        return True

    cdef int write(self, object value, Sink *sink) except -1:
        return 0 if value is None else doubt("no null")

    cdef bint tidy(self, object value) except -1:
        return value is None


cdef class Boolean(Node):
    """One byte, 0 or 1."""

    cdef object read(self, Source *source):
        cdef unsigned char byte = take(source, 1)[0]
        if byte > 1:
            doubt("no boolean")
        return byte == 1

    cdef int show(self, Source *source, Sink *sink) except -1:
        cdef unsigned char byte = take(source, 1)[0]
        if byte > 1:
            doubt("no boolean")
        return write_raw(sink, b"true", 4) if byte else write_raw(sink, b"false", 5)

    def shows(self):
        return True

    cdef int skip(self, Source *source) except -1:
        return 0 if take(source, 1)[0] < 2 else doubt("no boolean")

    cdef int write(self, object value, Sink *sink) except -1:
        cdef unsigned char byte = value is True
        if value is not True and value is not False:
            doubt("no boolean")
        return write_raw(sink, &byte, 1)

    cdef bint tidy(self, object value) except -1:
        return value is True or value is False


cdef class Long(Node):
    """A number of 64 bits."""

    cdef object read(self, Source *source):
        return read_long(source)

    cdef int show(self, Source *source, Sink *sink) except -1:
        cdef int64_t found = read_long(source)
        if -SAFE_INTEGER <= found <= SAFE_INTEGER:
            return show_long(sink, found)
        write_raw(sink, b'"', 1)
        show_long(sink, found)
        return write_raw(sink, b'"', 1)

    def shows(self):
        return True

    cdef int skip(self, Source *source) except -1:
        read_long(source)
        return 0

    cdef int write(self, object value, Sink *sink) except -1:
        return write_long(sink, whole(value))

    cdef bint tidy(self, object value) except -1:
        return PyLong_CheckExact(value)


cdef class Int(Long):
    """A number of 32 bits."""

    cdef object read(self, Source *source):
        return read_int(source)

    cdef int skip(self, Source *source) except -1:
        read_int(source)
        return 0

    cdef int show(self, Source *source, Sink *sink) except -1:
        cdef int64_t found = read_long(source)
        if found < -2147483648 or found > 2147483647:
            doubt("more than 32 bits")
        return show_long(sink, found)

    cdef int write(self, object value, Sink *sink) except -1:
        cdef int64_t found = whole(value)
        if found < -2147483648 or found > 2147483647:
            doubt("more than 32 bits")
        return write_long(sink, found)


cdef class Float(Node):
    """Four bytes of IEEE 754, little-endian."""

    cdef object read(self, Source *source):
        cdef float found
        memcpy(&found, take(source, 4), 4)
        return PyFloat_FromDouble(found)

    cdef int show(self, Source *source, Sink *sink) except -1:
        cdef float found
        memcpy(&found, take(source, 4), 4)
        return show_double(sink, found)

    def shows(self):
        return True

    cdef int skip(self, Source *source) except -1:
        take(source, 4)
        return 0

    cdef int write(self, object value, Sink *sink) except -1:
        cdef float short
        if not PyFloat_CheckExact(value):
            doubt("no float")
        short = <float>PyFloat_AS_DOUBLE(value)
        if isinf(short) and not isinf(PyFloat_AS_DOUBLE(value)):
            doubt("too large for a float")
        return write_raw(sink, &short, 4)

    cdef bint tidy(self, object value) except -1:
        cdef double exact
        if not PyFloat_CheckExact(value):
            return False
        exact = PyFloat_AS_DOUBLE(value)
        return isnan(exact) or <double><float>exact == exact


cdef class Double(Node):
    """Eight bytes of IEEE 754, little-endian."""

    cdef object read(self, Source *source):
        cdef double found
        memcpy(&found, take(source, 8), 8)
        return PyFloat_FromDouble(found)

    cdef int show(self, Source *source, Sink *sink) except -1:
        cdef double found
        memcpy(&found, take(source, 8), 8)
        return show_double(sink, found)

    def shows(self):
        return True

    cdef int skip(self, Source *source) except -1:
        take(source, 8)
        return 0

    cdef int write(self, object value, Sink *sink) except -1:
        cdef double found
        if not PyFloat_CheckExact(value):
            doubt("no float")
        found = PyFloat_AS_DOUBLE(value)
        return write_raw(sink, &found, 8)

    cdef bint tidy(self, object value) except -1:
        return PyFloat_CheckExact(value)


cdef class Bytes(Node):
    """A length, and as many bytes."""

    cdef object read(self, Source *source):
        cdef int64_t size = read_long(source)
        return PyBytes_FromStringAndSize(<const char *>take(source, size), <Py_ssize_t>size)

    cdef int show(self, Source *source, Sink *sink) except -1:
        cdef int64_t size = read_long(source)
        return show_bytes(sink, take(source, size), size)

    def shows(self):
        return True

    cdef int skip(self, Source *source) except -1:
        take(source, read_long(source))
        return 0

    cdef int write(self, object value, Sink *sink) except -1:
        if not PyBytes_CheckExact(value):
            doubt("no bytes")
        write_long(sink, PyBytes_GET_SIZE(value))
        return write_raw(sink, PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value))

    cdef bint tidy(self, object value) except -1:
        return PyBytes_CheckExact(value)


cdef class String(Node):
    """A length, and as many bytes of UTF-8."""

    cdef object read(self, Source *source):
        cdef int64_t size = read_long(source)
        return PyUnicode_DecodeUTF8(<const char *>take(source, size), <Py_ssize_t>size, NULL)

    cdef int show(self, Source *source, Sink *sink) except -1:
        cdef int64_t size = read_long(source)
        return show_text(sink, take(source, size), size)

    def shows(self):
        return True

    cdef int skip(self, Source *source) except -1:
        cdef int64_t size = read_long(source), at
        cdef const unsigned char *text = take(source, size)
        cdef unsigned char bits = 0
        for at in range(size):
            bits |= text[at]
        if bits & 0x80:  # it may be no UTF-8
            PyUnicode_DecodeUTF8(<const char *>text, <Py_ssize_t>size, NULL)
        return 0

    cdef int write(self, object value, Sink *sink) except -1:
        cdef Py_ssize_t size
        cdef const char *data
        if not PyUnicode_CheckExact(value):
            doubt("no text")
        data = PyUnicode_AsUTF8AndSize(value, &size)
        write_long(sink, size)
        return write_raw(sink, data, size)

    cdef bint tidy(self, object value) except -1:
        return PyUnicode_CheckExact(value)


cdef class Fixed(Node):
    """As many bytes as its schema says."""

    cdef Py_ssize_t size

    def __init__(self, Py_ssize_t size):
        self.size = size

    cdef object read(self, Source *source):
        return PyBytes_FromStringAndSize(<const char *>take(source, self.size), self.size)

    cdef int show(self, Source *source, Sink *sink) except -1:
        return show_bytes(sink, take(source, self.size), self.size)

    def shows(self):
        return True

    cdef int skip(self, Source *source) except -1:
        take(source, self.size)
        return 0

    cdef int write(self, object value, Sink *sink) except -1:
        if not PyBytes_CheckExact(value) or PyBytes_GET_SIZE(value) != self.size:
            doubt("not so many bytes")
        return write_raw(sink, PyBytes_AS_STRING(value), self.size)

    cdef bint tidy(self, object value) except -1:
        return PyBytes_CheckExact(value)


cdef class Enum(Node):
    """The place of a symbol; `members` are what is read, None where that is unknown here."""

    cdef tuple members, shown
    cdef dict places

    def __init__(self, tuple members, dict places):
        self.members = members
        self.shown = tuple(None if each is None else _encode_json(each) for each in members)
        self.places = places

    cdef object read(self, Source *source):
        cdef int64_t place = read_long(source)
        cdef object member
        if place < 0 or place >= PyTuple_GET_SIZE(self.members):
            doubt("no symbol")
        member = <object>PyTuple_GET_ITEM(self.members, <Py_ssize_t>place)
        if member is None:
            doubt("a symbol that is unknown here")
        return member

    cdef int show(self, Source *source, Sink *sink) except -1:
        cdef int64_t place = read_long(source)
        cdef object shown
        if place < 0 or place >= PyTuple_GET_SIZE(self.shown):
            doubt("no symbol")
        shown = <object>PyTuple_GET_ITEM(self.shown, <Py_ssize_t>place)
        if shown is None:
            doubt("a symbol that is unknown here")
        return write_raw(sink, PyBytes_AS_STRING(shown), PyBytes_GET_SIZE(shown))

    def shows(self):
        return True

    cdef int write(self, object value, Sink *sink) except -1:
        cdef PyObject *place
        if not PyUnicode_Check(value):
            doubt("no symbol")
        place = PyDict_GetItem(self.places, value)
        if place == NULL:
            doubt("no symbol of this enum")
        return write_long(sink, <object>place)

    cdef bint tidy(self, object value) except -1:
        return PyUnicode_Check(value) and not PyUnicode_CheckExact(value)


# -- logical types

cdef class Date(Node):
    """Days since 1970-01-01."""

    cdef object read(self, Source *source):
        cdef int year, month, day
        civil_of(read_long(source), &year, &month, &day)
        return date_new(year, month, day)

    cdef int show(self, Source *source, Sink *sink) except -1:
        cdef int year, month, day
        civil_of(read_long(source), &year, &month, &day)
        write_raw(sink, b'"', 1)
        show_date(sink, year, month, day)
        return write_raw(sink, b'"', 1)

    def shows(self):
        return True

    cdef int write(self, object value, Sink *sink) except -1:
        if not PyDate_CheckExact(value):
            doubt("no date")
        return write_long(sink, days_of(date_year(value), date_month(value), date_day(value)))

    cdef bint tidy(self, object value) except -1:
        return PyDate_CheckExact(value)


cdef class Time(Node):
    """A time of day in units of so many microseconds."""

    cdef int64_t unit

    def __init__(self, int64_t unit):
        self.unit = unit

    cdef object read(self, Source *source):
        cdef int64_t found = read_long(source)
        cdef int seconds
        if found < 0 or found >= 86400000000 // self.unit:
            doubt("no time of a day")
        found *= self.unit
        seconds = <int>(found // 1000000)
        return time_new(seconds // 3600, seconds // 60 % 60, seconds % 60, <int>(found % 1000000), None)

    cdef int show(self, Source *source, Sink *sink) except -1:
        cdef int64_t found = read_long(source)
        if found < 0 or found >= 86400000000 // self.unit:
            doubt("no time of a day")
        write_raw(sink, b'"', 1)
        show_time(sink, found * self.unit)
        return write_raw(sink, b'"', 1)

    def shows(self):
        return True

    cdef int write(self, object value, Sink *sink) except -1:
        cdef int64_t seconds
        if not PyTime_CheckExact(value) or time_tzinfo(value) is not None or time_fold(value):
            doubt("no time of day without a zone")
        seconds = (time_hour(value) * 60 + time_minute(value)) * 60 + time_second(value)
        return write_long(sink, (seconds * 1000000 + time_microsecond(value)) // self.unit)

    cdef bint tidy(self, object value) except -1:
        return (
            PyTime_CheckExact(value)
            and time_tzinfo(value) is None
            and not time_fold(value)
            and time_microsecond(value) % self.unit == 0
        )


cdef class Timestamp(Node):
    """A moment since 1970 in units of so many microseconds, in UTC or in no zone (`zone` is None)."""

    cdef int64_t unit
    cdef object zone

    def __init__(self, int64_t unit, bint local):
        self.unit = unit
        self.zone = None if local else _UTC

    cdef object read(self, Source *source):
        cdef int64_t found = read_long(source)
        cdef int64_t day = 86400000000 // self.unit
        cdef int64_t days = floored(found, day)
        cdef int64_t rest
        cdef int year, month, of_month, seconds
        civil_of(days, &year, &month, &of_month)  # before the rest: what is no date would overflow there
        rest = (found - days * day) * self.unit
        seconds = <int>(rest // 1000000)
        return datetime_new(
            year, month, of_month, seconds // 3600, seconds // 60 % 60, seconds % 60, <int>(rest % 1000000), self.zone
        )

    cdef int show(self, Source *source, Sink *sink) except -1:
        cdef int64_t found = read_long(source)
        cdef int64_t day = 86400000000 // self.unit
        cdef int64_t days = floored(found, day)
        cdef int year, month, of_month
        civil_of(days, &year, &month, &of_month)
        write_raw(sink, b'"', 1)
        show_date(sink, year, month, of_month)
        write_raw(sink, b"T", 1)
        show_time(sink, (found - days * day) * self.unit)
        return write_raw(sink, b'"', 1) if self.zone is None else write_raw(sink, b'Z"', 2)

    def shows(self):
        return True

    cdef int write(self, object value, Sink *sink) except -1:
        cdef int64_t seconds
        if not PyDateTime_CheckExact(value) or datetime_tzinfo(value) is not self.zone or datetime_fold(value):
            doubt("not in the zone of the type")
        seconds = days_of(datetime_year(value), datetime_month(value), datetime_day(value)) * 86400
        seconds += (datetime_hour(value) * 60 + datetime_minute(value)) * 60 + datetime_second(value)
        return write_long(sink, floored(seconds * 1000000 + datetime_microsecond(value), self.unit))

    cdef bint tidy(self, object value) except -1:
        return (
            PyDateTime_CheckExact(value)
            and datetime_tzinfo(value) is self.zone
            and not datetime_fold(value)
            and datetime_microsecond(value) % self.unit == 0
        )


cdef inline int hex_of(unsigned char digit) except -1:
    if 48 <= digit <= 57:
        return digit - 48
    if 97 <= digit <= 102:
        return digit - 87
    return doubt("no hexadecimal digit")


cdef class Uuid(Node):
    """A UUID as text, in the form of RFC 9562, in small letters."""

    cdef object read(self, Source *source):
        cdef const unsigned char *text
        cdef unsigned char found[16]
        cdef int at = 0, each
        if read_long(source) != 36:
            doubt("no UUID of 36 letters")
        text = take(source, 36)
        for each in range(16):
            if each == 4 or each == 6 or each == 8 or each == 10:  # groups of 8, 4, 4, 4 and 12 digits
                if text[at] != 45:
                    doubt("no UUID")
                at += 1
            found[each] = <unsigned char>(hex_of(text[at]) << 4 | hex_of(text[at + 1]))
            at += 2
        return _UUID(bytes=PyBytes_FromStringAndSize(<const char *>found, 16))

    cdef int show(self, Source *source, Sink *sink) except -1:
        cdef const unsigned char *text
        cdef int at
        if read_long(source) != 36:
            doubt("no UUID of 36 letters")
        text = take(source, 36)
        for at in range(36):
            if at == 8 or at == 13 or at == 18 or at == 23:
                if text[at] != 45:
                    doubt("no UUID")
            else:
                hex_of(text[at])
        write_raw(sink, b'"', 1)
        write_raw(sink, text, 36)
        return write_raw(sink, b'"', 1)

    def shows(self):
        return True

    cdef int write(self, object value, Sink *sink) except -1:
        cdef Py_ssize_t size
        cdef const char *data
        if type(value) is not _UUID:
            doubt("no UUID")
        text = str(value)
        data = PyUnicode_AsUTF8AndSize(text, &size)
        write_long(sink, size)
        return write_raw(sink, data, size)

    cdef bint tidy(self, object value) except -1:
        return type(value) is _UUID


cdef class DecimalNumber(Node):
    """An unscaled number, big-endian, in bytes or (`size`) a fixed; functions of the reference do the arithmetic."""

    cdef Py_ssize_t size
    cdef object from_bytes, normal, context
    cdef int scale

    def __init__(self, object size, object from_bytes, object normal, object context, int scale):
        self.size = -1 if size is None else size
        self.from_bytes = from_bytes
        self.normal = normal
        self.context = context
        self.scale = scale

    cdef object read(self, Source *source):
        cdef int64_t size = self.size if self.size >= 0 else read_long(source)
        return self.from_bytes(PyBytes_FromStringAndSize(<const char *>take(source, size), <Py_ssize_t>size))

    cdef int show(self, Source *source, Sink *sink) except -1:
        cdef Py_ssize_t size
        cdef const char *data
        text = format(self.read(source), "f")
        data = PyUnicode_AsUTF8AndSize(text, &size)
        write_raw(sink, b'"', 1)
        write_raw(sink, data, size)
        return write_raw(sink, b'"', 1)

    def shows(self):
        return True

    cdef int write(self, object value, Sink *sink) except -1:
        unscaled = int(self.normal(value).scaleb(self.scale, self.context))
        cdef Py_ssize_t size = self.size
        if size < 0:
            size = (unscaled.bit_length() + 8) >> 3
            write_long(sink, size)
        data = unscaled.to_bytes(size, "big", signed=True)
        return write_raw(sink, PyBytes_AS_STRING(data), size)

    cdef bint tidy(self, object value) except -1:
        return type(value) is _Decimal and self.normal(value) is value


# -- types that hold others

cdef int64_t block(Source *source, Py_ssize_t least, const unsigned char **ends) except -1:
    """How many items the next block has, each of at least so many bytes; where it ends, if it says so."""
    cdef int64_t count = read_long(source)
    cdef int64_t size
    ends[0] = NULL
    if count < 0:
        if count == -9223372036854775807 - 1:
            doubt("a block of so many items")
        count = -count
        size = read_long(source)
        if size < 0 or size > source.end - source.at:
            doubt("a block is longer than the message")
        ends[0] = source.at + size
    if count > (source.end - source.at) // least:
        doubt("more items are announced than there are bytes")
    return count


cdef class Blocks(Node):
    """What is written in blocks of so many, each of them at least so many bytes long."""

    cdef Node item
    cdef Py_ssize_t least

    def __init__(self, Node item, Py_ssize_t least):
        self.item = item
        self.least = least


cdef class Array(Blocks):
    """Blocks of items, read as a tuple."""

    cdef object read(self, Source *source):
        cdef const unsigned char *ends
        cdef int64_t count
        cdef list found = []
        while True:
            count = block(source, self.least, &ends)
            if count == 0:
                if ends != NULL:
                    doubt("an empty block with a size")
                return tuple(found)
            while count:
                found.append(self.item.read(source))
                count -= 1
            if ends != NULL and source.at != ends:
                doubt("a block does not end where it says")

    cdef int show(self, Source *source, Sink *sink) except -1:
        cdef const unsigned char *ends
        cdef int64_t count
        cdef bint first = True
        write_raw(sink, b"[", 1)
        while True:
            count = block(source, self.least, &ends)
            if count == 0:
                if ends != NULL:
                    doubt("an empty block with a size")
                return write_raw(sink, b"]", 1)
            while count:
                if not first:
                    write_raw(sink, b",", 1)
                first = False
                self.item.show(source, sink)
                count -= 1
            if ends != NULL and source.at != ends:
                doubt("a block does not end where it says")

    def shows(self):
        return self.item.shows()

    cdef int skip(self, Source *source) except -1:
        cdef const unsigned char *ends
        cdef int64_t count
        while True:
            count = block(source, self.least, &ends)
            if count == 0:
                if ends != NULL:
                    doubt("an empty block with a size")
                return 0
            while count:
                self.item.skip(source)
                count -= 1
            if ends != NULL and source.at != ends:
                doubt("a block does not end where it says")

    cdef int write(self, object value, Sink *sink) except -1:
        cdef tuple items
        cdef Py_ssize_t at
        if PyTuple_CheckExact(value):
            items = value
        elif PyList_CheckExact(value):
            items = tuple(value)  # which nobody changes under us
        else:
            doubt("no tuple")
        if PyTuple_GET_SIZE(items):
            write_long(sink, PyTuple_GET_SIZE(items))
            for at in range(PyTuple_GET_SIZE(items)):
                self.item.write(<object>PyTuple_GET_ITEM(items, at), sink)
        return write_long(sink, 0)

    cdef bint tidy(self, object value) except -1:
        cdef Py_ssize_t at
        if not PyTuple_CheckExact(value):
            return False
        for at in range(PyTuple_GET_SIZE(value)):
            if not self.item.tidy(<object>PyTuple_GET_ITEM(value, at)):
                return False
        return True


cdef class Map(Blocks):
    """Blocks of entries, read as a map that cannot be changed."""

    cdef object read(self, Source *source):
        cdef const unsigned char *ends
        cdef int64_t count, size
        cdef Py_ssize_t entries = 0
        found = _FrozenMap()
        while True:
            count = block(source, self.least, &ends)
            if count == 0:
                if ends != NULL or PyDict_Size(found) != entries:
                    doubt("an empty block with a size, or a key twice")
                return found
            entries += <Py_ssize_t>count
            while count:
                size = read_long(source)
                key = PyUnicode_DecodeUTF8(<const char *>take(source, size), <Py_ssize_t>size, NULL)
                PyDict_SetItem(found, key, self.item.read(source))
                count -= 1
            if ends != NULL and source.at != ends:
                doubt("a block does not end where it says")

    cdef int show(self, Source *source, Sink *sink) except -1:
        cdef const unsigned char *ends
        cdef const unsigned char *key
        cdef int64_t count, size
        cdef Py_ssize_t entries = 0
        cdef set keys = set()
        write_raw(sink, b"{", 1)
        while True:
            count = block(source, self.least, &ends)
            if count == 0:
                if ends != NULL or len(keys) != entries:
                    doubt("an empty block with a size, or a key twice")
                return write_raw(sink, b"}", 1)
            while count:
                if entries:
                    write_raw(sink, b",", 1)
                entries += 1
                size = read_long(source)
                key = take(source, size)
                keys.add(PyBytes_FromStringAndSize(<const char *>key, <Py_ssize_t>size))
                show_text(sink, key, size)
                write_raw(sink, b":", 1)
                self.item.show(source, sink)
                count -= 1
            if ends != NULL and source.at != ends:
                doubt("a block does not end where it says")

    def shows(self):
        return self.item.shows()

    cdef int write(self, object value, Sink *sink) except -1:
        cdef Py_ssize_t size
        cdef const char *data
        if not PyDict_Check(value):
            doubt("no dict")
        if PyDict_Size(value):
            write_long(sink, PyDict_Size(value))
            for key, item in list(dict.items(value)):
                if not PyUnicode_CheckExact(key):
                    doubt("a key is no text")
                data = PyUnicode_AsUTF8AndSize(key, &size)
                write_long(sink, size)
                write_raw(sink, data, size)
                self.item.write(item, sink)
        return write_long(sink, 0)

    cdef bint tidy(self, object value) except -1:
        if type(value) is not _FrozenMap:
            return False
        for item in dict.values(value):
            if not self.item.tidy(item):
                return False
        return True


cdef class Union(Node):
    """The place of a branch, and its value; None for branches that are refused here.

    What is written is told by its class: `places` has those of which one branch only takes values.
    """

    cdef tuple branches
    cdef dict places

    def __init__(self, tuple branches, dict places):
        self.branches = branches
        self.places = places

    cdef object read(self, Source *source):
        cdef int64_t place = read_long(source)
        if place < 0 or place >= PyTuple_GET_SIZE(self.branches):
            doubt("no branch")
        branch = <object>PyTuple_GET_ITEM(self.branches, <Py_ssize_t>place)
        if branch is None:
            doubt("a branch that is unknown here")
        return (<Node>branch).read(source)

    cdef int show(self, Source *source, Sink *sink) except -1:
        cdef int64_t place = read_long(source)
        if place < 0 or place >= PyTuple_GET_SIZE(self.branches):
            doubt("no branch")
        return (<Node>PyTuple_GET_ITEM(self.branches, <Py_ssize_t>place)).show(source, sink)

    def shows(self):
        """Of types without parts, none of which needs its name beside a number (verbwire.wire.json.numbers.tag)."""
        kinds = {type(each) for each in self.branches}
        tagged = kinds & {Long, Float, Double} and kinds & {String, Bytes}
        return not tagged and kinds <= {Null, Boolean, Int, Long, Float, Double, String, Bytes, Fixed, Enum, Date, Uuid}

    cdef int write(self, object value, Sink *sink) except -1:
        cdef int64_t place = self.place(value)
        if place < 0:
            doubt("no branch")
        write_long(sink, place)
        return (<Node>PyTuple_GET_ITEM(self.branches, <Py_ssize_t>place)).write(value, sink)

    cdef bint tidy(self, object value) except -1:
        cdef int64_t place = self.place(value)
        return place >= 0 and (<Node>PyTuple_GET_ITEM(self.branches, <Py_ssize_t>place)).tidy(value)

    cdef int64_t place(self, object value) except -2:
        cdef PyObject *found = PyDict_GetItem(self.places, type(value))
        return -1 if found == NULL else <int64_t>(<object>found)


cdef class Nullable(Node):
    """A value or null: the union that there is most of."""

    cdef Node inner
    cdef int null

    def __init__(self, Node inner, int null):
        self.inner = inner
        self.null = null

    cdef object read(self, Source *source):
        cdef int64_t place = read_long(source)
        if place == self.null:
            return None
        if place != 1 - self.null:
            doubt("no branch")
        return self.inner.read(source)

    cdef int show(self, Source *source, Sink *sink) except -1:
        cdef int64_t place = read_long(source)
        if place == self.null:
            return write_raw(sink, b"null", 4)
        if place != 1 - self.null:
            doubt("no branch")
        return self.inner.show(source, sink)

    def shows(self):
        return self.inner.shows()

    cdef int skip(self, Source *source) except -1:
        cdef int64_t place = read_long(source)
        if place == self.null:
            return 0
        if place != 1 - self.null:
            doubt("no branch")
        return self.inner.skip(source)

    cdef int write(self, object value, Sink *sink) except -1:
        if value is None:
            return write_long(sink, self.null)
        write_long(sink, 1 - self.null)
        return self.inner.write(value, sink)

    cdef bint tidy(self, object value) except -1:
        return value is None or self.inner.tidy(value)


cdef class Resolved(Node):
    """What is read by another type and then brought into the reader's, by a function of the reference."""

    cdef Node inner
    cdef object resolve

    def __init__(self, Node inner, object resolve):
        self.inner = inner
        self.resolve = resolve

    cdef object read(self, Source *source):
        return self.resolve(self.inner.read(source))


cdef class Record(Node):
    """Fields in the writer's order; those without a name of ours (None) are passed over. Depths are bounded by plans."""

    cdef object cls
    cdef tuple wanted, names, nodes, shown

    def __init__(self, object cls, tuple names, tuple nodes):
        self.cls = cls
        self.wanted = names
        self.names = tuple(name for name in names if name is not None)
        self.nodes = nodes

    cdef object read(self, Source *source):
        cdef PyObject *stack[ON_STACK]
        cdef PyObject **values = stack
        cdef Py_ssize_t count = PyTuple_GET_SIZE(self.nodes), at, made = 0
        if count > ON_STACK:
            values = <PyObject **>PyMem_Malloc(count * sizeof(PyObject *))
            if values == NULL:
                raise MemoryError
        try:
            for at in range(count):
                if <object>PyTuple_GET_ITEM(self.wanted, at) is None:
                    (<Node>PyTuple_GET_ITEM(self.nodes, at)).skip(source)
                    continue
                value = (<Node>PyTuple_GET_ITEM(self.nodes, at)).read(source)
                Py_INCREF(value)
                values[made] = <PyObject *>value
                made += 1
            return PyObject_Vectorcall(self.cls, values, 0, self.names)
        finally:
            for at in range(made):
                Py_DECREF(<object>values[at])
            if values != stack:
                PyMem_Free(values)

    cdef int show(self, Source *source, Sink *sink) except -1:
        cdef Py_ssize_t at
        for at in range(PyTuple_GET_SIZE(self.nodes)):
            begin = <object>PyTuple_GET_ITEM(self.shown, at)
            write_raw(sink, PyBytes_AS_STRING(begin), PyBytes_GET_SIZE(begin))
            (<Node>PyTuple_GET_ITEM(self.nodes, at)).show(source, sink)
        return write_raw(sink, b"}", 1)

    def shows(self):
        """Fields are written in the order of the class, so that of the bytes must be the same; none may be missing."""
        config = getattr(self.cls, "__struct_config__", None)
        if config is None or config.tag is not None or config.omit_defaults or config.array_like or not self.wanted:
            return False
        if self.wanted != self.cls.__struct_fields__ or not all(each.shows() for each in self.nodes):
            return False
        names = [_encode_json(name) + b":" for name in self.cls.__struct_encode_fields__]
        self.shown = tuple((b"," if at else b"{") + name for at, name in enumerate(names))
        return True

    cdef int skip(self, Source *source) except -1:
        cdef Py_ssize_t at
        for at in range(PyTuple_GET_SIZE(self.nodes)):
            (<Node>PyTuple_GET_ITEM(self.nodes, at)).skip(source)
        return 0

    cdef int write(self, object value, Sink *sink) except -1:
        cdef Py_ssize_t at
        if not PyObject_TypeCheck(value, _STRUCT):
            doubt("no record")
        for at in range(PyTuple_GET_SIZE(self.nodes)):
            field = getattr(value, <str>PyTuple_GET_ITEM(self.names, at))
            (<Node>PyTuple_GET_ITEM(self.nodes, at)).write(field, sink)
        return 0

    cdef bint tidy(self, object value) except -1:
        cdef Py_ssize_t at
        if not PyObject_TypeCheck(value, _STRUCT):
            return False
        for at in range(PyTuple_GET_SIZE(self.nodes)):
            field = getattr(value, <str>PyTuple_GET_ITEM(self.names, at))
            if not (<Node>PyTuple_GET_ITEM(self.nodes, at)).tidy(field):
                return False
        return True


# -- messages

cdef inline int enter(Source *source, object value, Py_ssize_t frame) except -1:
    """Begin behind the frame of a message."""
    if not PyBytes_CheckExact(value) or PyBytes_GET_SIZE(value) < frame:
        doubt("no frame")
    source.at = <const unsigned char *>PyBytes_AS_STRING(value) + frame
    source.end = <const unsigned char *>PyBytes_AS_STRING(value) + PyBytes_GET_SIZE(value)
    return 0


cdef class Reading:
    """Reads messages behind a frame of so many bytes; UnplannedError, or what Python raises, where in doubt."""

    cdef Node root
    cdef Py_ssize_t frame

    def __init__(self, Node root, Py_ssize_t frame):
        self.root = root
        self.frame = frame

    def __call__(self, object value):
        """Return the message in the value of a record."""
        return self.message(value)

    cdef object message(self, object value):
        cdef Source source
        enter(&source, value, self.frame)
        message = self.root.read(&source)
        if source.at != source.end:
            doubt("bytes are left over")
        return message

    def showing(self):
        """Return what writes such messages as JSON without making them; None where a type is not written that way."""
        return Showing(self) if self.root.shows() else None


cdef class Showing:
    """Writes the JSON of messages in records' values; UnplannedError, or what Python raises, where in doubt."""

    cdef Node root
    cdef Py_ssize_t frame

    def __init__(self, Reading reading):
        self.root = reading.root
        self.frame = reading.frame

    def __call__(self, object value):
        """Return the JSON of the message in the value of a record."""
        cdef unsigned char stack[SHORT]
        cdef Source source
        cdef Sink sink
        sink.data = sink.stack = stack
        sink.used = 0
        sink.room = SHORT
        if not PyBytes_CheckExact(value) or PyBytes_GET_SIZE(value) < self.frame:
            doubt("no frame")
        source.at = <const unsigned char *>PyBytes_AS_STRING(value) + self.frame
        source.end = <const unsigned char *>PyBytes_AS_STRING(value) + PyBytes_GET_SIZE(value)
        try:
            self.root.show(&source, &sink)
            if source.at != source.end:
                doubt("bytes are left over")
            return PyBytes_FromStringAndSize(<const char *>sink.data, sink.used)
        finally:
            if sink.data != stack:
                PyMem_Free(sink.data)


cdef class Fields:
    """Reads some fields of messages, and passes over the others as strictly; in doubt as above."""

    cdef tuple nodes, places
    cdef Py_ssize_t frame, count

    def __init__(self, Record root, tuple names, Py_ssize_t frame):
        self.nodes = root.nodes
        self.places = tuple(None if name not in names else names.index(name) for name in root.wanted)
        self.frame = frame
        self.count = len(names)
        if set(names) - set(root.names):
            doubt("a field that the writer does not have")

    def __call__(self, object value):
        """Return the values of the fields in a record's value."""
        cdef Source source
        cdef Py_ssize_t at
        cdef list found = [None] * self.count
        enter(&source, value, self.frame)
        for at in range(PyTuple_GET_SIZE(self.nodes)):
            place = <object>PyTuple_GET_ITEM(self.places, at)
            if place is None:
                (<Node>PyTuple_GET_ITEM(self.nodes, at)).skip(&source)
            else:
                found[<Py_ssize_t>place] = (<Node>PyTuple_GET_ITEM(self.nodes, at)).read(&source)
        if source.at != source.end:
            doubt("bytes are left over")
        return found


cdef class Writing:
    """Writes messages behind a frame; UnplannedError, or what Python raises, where in doubt."""

    cdef Node root
    cdef bytes frame

    def __init__(self, Node root, bytes frame):
        self.root = root
        self.frame = frame

    def __call__(self, object message):
        """Return the value of a record."""
        cdef unsigned char stack[SHORT]
        cdef Sink sink
        sink.data = sink.stack = stack
        sink.used = 0
        sink.room = SHORT
        try:
            write_raw(&sink, PyBytes_AS_STRING(self.frame), PyBytes_GET_SIZE(self.frame))
            self.root.write(message, &sink)
            return PyBytes_FromStringAndSize(<const char *>sink.data, sink.used)
        finally:
            if sink.data != stack:
                PyMem_Free(sink.data)

    def tidy(self, object message):
        """Whether a message is what a reader would return for it."""
        return self.root.tidy(message)

    def all(self, object messages):
        """Return the values of several records."""
        cdef unsigned char stack[SHORT]
        cdef Sink sink
        cdef Py_ssize_t frame = PyBytes_GET_SIZE(self.frame)
        cdef list found = []
        sink.data = sink.stack = stack
        sink.used = 0
        sink.room = SHORT
        try:
            write_raw(&sink, PyBytes_AS_STRING(self.frame), frame)
            for message in messages:
                sink.used = frame
                self.root.write(message, &sink)
                found.append(PyBytes_FromStringAndSize(<const char *>sink.data, sink.used))
            return found
        finally:
            if sink.data != stack:
                PyMem_Free(sink.data)


def read_all(dict plans, object values, object otherwise):
    """Read values by the plans of their frames of five bytes; `otherwise` has the say about those in doubt.

    None for those whose frame has None.
    """
    cdef list found = []
    cdef object last = None, plan = None
    cdef PyObject *known
    for value in values:
        if PyBytes_CheckExact(value) and PyBytes_GET_SIZE(value) >= FRAME:
            if last is None or memcmp(PyBytes_AS_STRING(value), PyBytes_AS_STRING(last), FRAME):
                frame = PyBytes_FromStringAndSize(PyBytes_AS_STRING(value), FRAME)
                known = PyDict_GetItem(plans, frame)
                if known == NULL:
                    found.append(otherwise(value))
                    continue
                last, plan = frame, <object>known
            if plan is None:
                found.append(None)
                continue
            try:
                message = (<Reading?>plan).message(value)
            except Exception:  # the reference words it
                message = otherwise(value)
            found.append(message)
        else:
            found.append(otherwise(value))
    return found
