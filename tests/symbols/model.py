"""The meaning of a symbol file: a slow, obvious model, one line and one offset at a time.

It shares nothing with the reader but `Answer`. Records are words between spaces. Functions and
lines are lists in which the first of two that overlap wins, as in the Breakpad processor. The calls
at an offset are looked up level by level, as in the debug information.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

from symbolon_server.symbols.ground.answers import Answer, InlineAnswer

END = 2**64 - 1
"""The one offset that no function covers; also the first number too large for hex fields."""

DECIMAL_END = 2**63 - 1
LINE_END = 2**32

HEX_DIGITS = b"0123456789abcdefABCDEF"


@dataclass(frozen=True)
class Span:
    """Something that covers `size` offsets from `start` on."""

    start: int
    size: int

    @property
    def last(self) -> int:
        return min(self.start + self.size - 1, END - 1)

    @property
    def is_real(self) -> bool:
        return self.size > 0 and self.start + self.size <= 2**64

    def covers(self, offset: int) -> bool:
        return self.start <= offset <= self.last

    def meets(self, other: "Span") -> bool:
        return self.start <= other.last and other.start <= self.last


@dataclass(frozen=True)
class Line(Span):
    line: int
    file: int


@dataclass(frozen=True)
class Inline:
    level: int
    call_line: int
    call_file: int
    """-1 is an unknown file."""

    is_old: bool
    """The older generation, which uses the file of the line."""

    origin: int
    spans: list[Span]


@dataclass(frozen=True)
class Public:
    start: int
    name: bytes
    is_multiple: bool


@dataclass
class Function:
    span: Span
    name: bytes
    is_multiple: bool
    lines: list[Line] = field(default_factory=list)
    inlines: list[Inline] = field(default_factory=list)

    def add_line(self, line: Line) -> None:
        if line.is_real and not any(line.meets(other) for other in self.lines):
            self.lines.append(line)

    def find_inlines(self, offset: int) -> Iterator[Inline]:
        """Yield the calls at `offset`, from level 0 up to the first level without one."""
        for level in count():
            covering = [
                (span.start, -span.size, place)
                for place, inline in enumerate(self.inlines)
                for span in inline.spans
                if inline.level == level and span.is_real and span.covers(offset)
            ]
            if not covering:
                return
            _, _, place = max(covering)
            yield self.inlines[place]


class Model:
    """The symbol file `text`; its first MODULE record is assumed to be valid."""

    def __init__(self, text: bytes) -> None:
        self.functions: list[Function] = []
        self.publics: list[Public] = []
        self.files: dict[int, bytes] = {}
        self.origins: dict[int, bytes] = {}
        self.skipped: Counter[str] = Counter()
        self.spans: list[Span] = []
        """Every span in the file, real or not: where answers may change."""
        self._open: Function | None = None
        self._debug_id = b""
        self._is_over = False
        """Whether a MODULE record of another module was read, to which all later records belong."""
        text = text.removeprefix(b"\xef\xbb\xbf").rstrip(b"\0").replace(b"\0", b"_")
        for record in text.replace(b"\r", b"\n").split(b"\n"):
            if record:
                self._read(record)

    def _read(self, record: bytes) -> None:
        kind, space, rest = record.partition(b" ")
        readers = {
            b"FILE": self._read_file,
            b"INLINE_ORIGIN": self._read_origin,
            b"FUNC": self._read_function,
            b"PUBLIC": self._read_public,
            b"INLINE": self._read_inline,
        }
        if space and kind == b"MODULE":
            self.skipped["MODULE"] += not self._read_module(rest)
            return
        if space and kind in (b"STACK", b"INFO"):
            self.skipped[kind.decode()] += self._is_over
            return
        if space and kind in readers:
            is_good = not self._is_over and readers[kind](rest)
            name = kind.decode()
        else:
            is_good = not self._is_over and self._read_line(record)
            name = "unknown" if kind.strip(HEX_DIGITS) else "line"
        self.skipped[name] += not is_good

    def _read_module(self, rest: bytes) -> bool:
        system, architecture, debug_id, _ = split(rest, 3)
        if self._is_over or not (system and architecture and debug_id):
            return False
        debug_id = write_as_breakpad(debug_id)
        self._debug_id = self._debug_id or debug_id
        self._is_over = debug_id != self._debug_id
        return not self._is_over

    def _read_file(self, rest: bytes) -> bool:
        fields = split(rest, 1)
        number = parse_decimal(fields[0])
        if number is None or not fields[1]:
            return False
        self.files.setdefault(number, fields[1])
        return True

    def _read_origin(self, rest: bytes) -> bool:
        fields = split(rest, 1)
        number, name = parse_decimal(fields[0]), fields[1]
        word = name.partition(b" ")[0]
        if not word.removeprefix(b"-").strip(b"0123456789"):
            fields = split(name, 1)
            file, name = fields
            if file != b"-1" and parse_decimal(file) is None:
                return False
        if number is None or not name:
            return False
        self.origins.setdefault(number, name)
        return True

    def _read_function(self, rest: bytes) -> bool:
        self._open = None
        is_multiple, rest = split_multiple(rest)
        *numbers, name = split(rest, 3)
        start, size, parameter_size = (parse_hex(number) for number in numbers)
        if start is None or size is None or not is_parameter_size(parameter_size) or not name:
            return False
        self._open = Function(Span(start, size), name, is_multiple)
        self.spans.append(self._open.span)
        if self._open.span.is_real and not any(
            self._open.span.meets(function.span) for function in self.functions
        ):
            self.functions.append(self._open)
        return True

    def _read_public(self, rest: bytes) -> bool:
        self._open = None
        is_multiple, rest = split_multiple(rest)
        *numbers, name = split(rest, 2)
        start, parameter_size = (parse_hex(number) for number in numbers)
        if start is None or not is_parameter_size(parameter_size) or not name:
            return False
        if any(public.start == start for public in self.publics):
            return False
        if start > 0:
            self.publics.append(Public(start, name, is_multiple))
            self.spans.append(Span(start, 1))
        return True

    def _read_line(self, record: bytes) -> bool:
        words = split(record, 4)
        start, size = parse_hex(words[0]), parse_hex(words[1])
        line, file = parse_decimal(words[2]), parse_decimal(words[3])
        if self._open is None or start is None or size is None or line is None or file is None:
            return False
        if line >= LINE_END:
            return False
        self._open.add_line(Line(start, size, line, file))
        self.spans.append(Span(start, size))
        return True

    def _read_inline(self, rest: bytes) -> bool:
        inline = parse_inline([word for word in rest.split(b" ") if word])
        if inline is None or self._open is None:
            return False
        self.spans += inline.spans
        self._open.inlines.append(inline)
        return True

    def find(self, offset: int) -> Answer | None:
        """Return what covers `offset`: a function, or the public symbol before it."""
        for function in self.functions:
            if function.span.covers(offset):
                return self._answer_of_function(function, offset)
        public_starts = [public.start for public in self.publics if public.start <= offset]
        nearest = max(public_starts, default=-1)
        if any(nearest <= function.span.start <= offset for function in self.functions):
            return None
        for public in self.publics:
            if public.start == nearest:
                return Answer(show(public.name), public.start, "", 0, (), public.is_multiple, True)
        return None

    def _answer_of_function(self, function: Function, offset: int) -> Answer:
        file, line = b"", 0
        for record in function.lines:
            if record.covers(offset):
                file, line = self.files.get(record.file, b""), record.line
        line_file = file
        frames = []
        for inline in reversed(list(function.find_inlines(offset))):
            name = self.origins.get(inline.origin, b"<name omitted>")
            frames.append(InlineAnswer(show(name), show(file), line))
            line = inline.call_line
            file = self.files.get(inline.call_file, b"")
            if inline.is_old:
                file = line_file
        return Answer(
            show(function.name),
            function.span.start,
            show(file),
            line,
            tuple(frames),
            function.is_multiple,
            function_size=function.span.size,
        )


def write_as_breakpad(debug_id: bytes) -> bytes:
    """Return a debug id without dashes and braces, with its age, by default 0."""
    digits = debug_id.upper().translate(None, b"{}-")
    return digits[:32] + (digits[32:].lstrip(b"0") or b"0")


def parse_inline(words: list[bytes]) -> Inline | None:
    """Return the INLINE record of `words`: level, line, file (in the newer one), origin, ranges."""
    has_file = len(words) % 2 == 0
    if len(words) < 5 + has_file:
        return None
    call_file = words.pop(2) if has_file else b"-1"
    level, line, origin = (parse_decimal(word) for word in words[:3])
    file = -1 if call_file == b"-1" else parse_decimal(call_file)
    numbers = [parse_hex(word) for word in words[3:]]
    known = [number for number in numbers if number is not None]
    if level is None or line is None or origin is None or len(known) < len(numbers):
        return None
    if line >= LINE_END or file is None:
        return None
    spans = [Span(known[place], known[place + 1]) for place in range(0, len(known), 2)]
    return Inline(level, line, file, not has_file, origin, spans)


def split(text: bytes, words: int) -> list[bytes]:
    """Return the first `words` words, and the text after the space that follows them.

    Missing parts are empty.
    """
    fields = []
    for _ in range(words):
        word, _, text = text.lstrip(b" ").partition(b" ")
        fields.append(word)
    return [*fields, text]


def split_multiple(text: bytes) -> tuple[bool, bytes]:
    """Return whether the first word is `m`, and what follows it."""
    word, rest = split(text, 1)
    return (True, rest) if word == b"m" else (False, text)


def parse_hex(word: bytes) -> int | None:
    digits = word[2:] if word[:2] in (b"0x", b"0X") else word
    if not digits or digits.strip(HEX_DIGITS):
        return None
    return int(digits, 16) if int(digits, 16) < END else None


def parse_decimal(word: bytes) -> int | None:
    if not word or word.strip(b"0123456789"):
        return None
    return int(word) if int(word) < DECIMAL_END else None


def is_parameter_size(number: int | None) -> bool:
    return number is not None and number < DECIMAL_END


def show(text: bytes) -> str:
    return text.decode(errors="replace")
