# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The records of a fetched batch: keys and values are there at once, headers are read by those who ask for them.

Every byte of a batch is looked through when it is read, as aiokafka does it, whose own reader is the reference: what
is damaged is noticed at its record, not when somebody asks for a header.

Source: Kafka's record format of version 2, https://kafka.apache.org/documentation/#record.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.tuple cimport PyTuple_GET_ITEM, PyTuple_GET_SIZE
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcmp

cdef extern from "Python.h":
    const char *PyUnicode_AsUTF8AndSize(object text, Py_ssize_t *size) except NULL


cdef struct Cursor:
    const unsigned char *at
    const unsigned char *end


cdef inline int64_t varint(Cursor *cursor) except? -1:
    """A number of one to ten bytes; the tenth has the last bit."""
    cdef uint64_t found = 0
    cdef unsigned char byte
    cdef int shift = 0
    while True:
        if cursor.at >= cursor.end:
            raise ValueError("a number ends early")
        byte = cursor.at[0]
        cursor.at += 1
        if shift == 63 and byte > 1:
            raise ValueError("a number has more than 64 bits")
        found |= <uint64_t>(byte & 0x7F) << shift
        if byte < 0x80:
            return <int64_t>(found >> 1) ^ -<int64_t>(found & 1)
        shift += 7


cdef inline const unsigned char *take(Cursor *cursor, int64_t size) except NULL:
    cdef const unsigned char *found = cursor.at
    if size > cursor.end - cursor.at:
        raise ValueError("more bytes are announced than there are")
    cursor.at += size
    return found


cdef inline object data(Cursor *cursor):
    cdef int64_t size = varint(cursor)
    return None if size < 0 else PyBytes_FromStringAndSize(<const char *>take(cursor, size), <Py_ssize_t>size)


cdef int look_through(Cursor *cursor) except -1:
    """Pass over the headers; ValueError where :func:`read` would raise it."""
    cdef int64_t left = varint(cursor), size, each
    cdef const unsigned char *name
    if left < 0:
        raise ValueError(f"{left} headers")
    while left:
        size = varint(cursor)
        if size < 0:
            raise ValueError(f"a header's name of {size} bytes")
        name = take(cursor, size)
        for each in range(size):
            if name[each] >= 0x80:
                PyUnicode_DecodeUTF8(<const char *>name, <Py_ssize_t>size, NULL)
                break
        size = varint(cursor)
        if size > 0:
            take(cursor, size)
        left -= 1
    return 0


cdef tuple read(bytes buffer, Py_ssize_t start):
    cdef Cursor cursor
    cdef int64_t left, size
    cdef list found = []
    cursor.at = <const unsigned char *>PyBytes_AS_STRING(buffer) + start
    cursor.end = <const unsigned char *>PyBytes_AS_STRING(buffer) + PyBytes_GET_SIZE(buffer)
    left = varint(&cursor)
    while left > 0:
        size = varint(&cursor)
        name = PyUnicode_DecodeUTF8(<const char *>take(&cursor, size), <Py_ssize_t>size, NULL)
        found.append((name, data(&cursor)))
        left -= 1
    return tuple(found)


cdef enum:
    MOST_EXPECTED = 32

cdef tuple _expected = ()  # keeps the names below
cdef const char *_names[MOST_EXPECTED]
cdef Py_ssize_t _sizes[MOST_EXPECTED]


def expect(tuple names):
    """Say which names headers have as a rule: for these no text is made, it is theirs."""
    global _expected
    cdef Py_ssize_t at
    if len(names) > MOST_EXPECTED:
        raise ValueError(f"{len(names)} names")
    for at in range(len(names)):
        _names[at] = PyUnicode_AsUTF8AndSize(names[at], &_sizes[at])
    _expected = names


cdef inline object name_of(const char *data, Py_ssize_t size):
    cdef Py_ssize_t at
    for at in range(PyTuple_GET_SIZE(_expected)):
        if _sizes[at] == size and memcmp(_names[at], data, size) == 0:
            return <object>PyTuple_GET_ITEM(_expected, at)
    return PyUnicode_DecodeUTF8(data, size, NULL)


cdef dict read_values(bytes buffer, Py_ssize_t start, int64_t most, int64_t most_bytes):
    """The last value of each name; None where there are more of them, or more bytes."""
    cdef Cursor cursor
    cdef int64_t left, size
    cdef dict found = {}
    cursor.at = <const unsigned char *>PyBytes_AS_STRING(buffer) + start
    cursor.end = <const unsigned char *>PyBytes_AS_STRING(buffer) + PyBytes_GET_SIZE(buffer)
    left = varint(&cursor)
    if left > most:
        return None
    while left > 0:
        size = varint(&cursor)
        name = name_of(<const char *>take(&cursor, size), <Py_ssize_t>size)
        value = data(&cursor)
        most_bytes -= len(name)
        if value is not None:
            most_bytes -= PyBytes_GET_SIZE(value)
        if most_bytes < 0:
            return None
        found[name] = value
        left -= 1
    return found


@cython.no_gc  # it holds nothing that could hold it
@cython.final
cdef class LazyRecord:
    """One record, with the fields of aiokafka's `ConsumerRecord`; times are milliseconds."""

    cdef public object topic
    cdef public int partition
    cdef readonly int64_t offset
    cdef readonly int64_t timestamp
    cdef readonly int timestamp_type
    cdef readonly object key
    cdef readonly object value
    cdef bytes buffer
    cdef Py_ssize_t start
    cdef tuple read_headers

    @property
    def headers(self):
        """Names and values, in their order."""
        if self.read_headers is None:
            self.read_headers = read(self.buffer, self.start)
        return self.read_headers

    def header_values(self, int64_t most, int64_t most_bytes):
        """Return the last value of each name; None where there are more headers than that, or more bytes of them."""
        return read_values(self.buffer, self.start, most, most_bytes)

    @property
    def checksum(self):
        """None: a batch has one."""
        return None

    @property
    def serialized_key_size(self):
        """The bytes of the key, -1 where there is none."""
        return -1 if self.key is None else len(self.key)

    @property
    def serialized_value_size(self):
        """The bytes of the value, -1 where there is none."""
        return -1 if self.value is None else len(self.value)


def read_records(
    bytes buffer, Py_ssize_t start, int64_t count, int64_t base_offset, int64_t first_timestamp, object stamped
):
    """Return the records of a batch, up to the first that is damaged, and what is wrong with that, None for nothing.

    `stamped` is the broker's timestamp for all of them, None where each has its own.
    """
    cdef Cursor cursor
    cdef const unsigned char *began
    cdef int64_t size, delta
    cdef list found = []
    cdef LazyRecord record
    cdef bint is_stamped = stamped is not None
    cdef int64_t stamp = stamped if is_stamped else 0
    cursor.at = <const unsigned char *>PyBytes_AS_STRING(buffer) + start
    cursor.end = <const unsigned char *>PyBytes_AS_STRING(buffer) + PyBytes_GET_SIZE(buffer)
    try:
        while count > 0:
            size = varint(&cursor)
            began = cursor.at
            varint(&cursor)  # attributes, of which none is in use: a byte, read as aiokafka does it
            record = LazyRecord.__new__(LazyRecord)
            delta = varint(&cursor)
            record.timestamp = stamp if is_stamped else first_timestamp + delta
            record.timestamp_type = is_stamped
            record.offset = base_offset + varint(&cursor)
            record.key = data(&cursor)
            record.value = data(&cursor)
            record.buffer = buffer
            record.start = cursor.at - <const unsigned char *>PyBytes_AS_STRING(buffer)
            look_through(&cursor)
            if cursor.at - began != size:
                raise ValueError(f"a record of {size} bytes has {cursor.at - began}")
            found.append(record)
            count -= 1
        if cursor.at != cursor.end:
            raise ValueError(f"{cursor.end - cursor.at} bytes behind the last record")
    except ValueError as error:
        return found, error
    return found, None
