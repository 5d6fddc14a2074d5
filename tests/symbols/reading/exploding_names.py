"""Mangled names in which each part expands to several copies of the previous one."""

from itertools import accumulate

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_DIGITS_62 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def write_number(number: int, digits: str) -> str:
    """Return a back reference's number: nothing for 0, and then from 0 on."""
    if number == 0:
        return ""
    high, low = divmod(number - 1, len(digits))
    return (write_number(high, digits) if high else "") + digits[low]


def explode_itanium(parts: int, times: int = 2) -> str:
    """Return a C++ function whose parameters are functions of the previous parameter."""
    # Each function type and each pointer to it is a substitution; number 0 is the class.
    before = (f"S{write_number(2 * part, _DIGITS)}_" for part in range(parts))
    return "_Z1f1A" + "".join(f"PFv{reference * times}E" for reference in before)


def explode_nested(parts: int) -> str:
    """Return a C++ function whose parameter contains, in each part, the previous one twice."""
    before = ["S_", *(f"S{write_number(2 * part, _DIGITS)}_" for part in range(1, parts))]
    *_, whole = accumulate(before, lambda inner, reference: f"PFv{inner}{reference}E", initial="1A")
    return "_Z1f" + whole


def explode_pack(types: int) -> str:
    """Return a C++ function with a pack of this many types and a long pattern."""
    long = explode_itanium(10, 3).removeprefix("_Z1f")
    return f"_Z1fIJ{'i' * types}EEv{long}DpPFvT_SI_SI_E"


def explode_msvc(parts: int, times: int = 200) -> str:
    """Return an MSVC function whose parameters are functions of the previous parameter."""
    before = (str(min(part, 9)) * times for part in range(parts))
    return f"?f@@YAXP6AXUA@@@Z{''.join(f'P6AX{reference}@Z' for reference in before)}@Z"


def explode_rust(parts: int) -> str:
    """Return a Rust generic whose arguments are tuples of the previous argument."""
    name, place = "_RIC1aTTuuEE", len("IC1a")
    for _ in range(parts):
        reference = f"B{write_number(place, _DIGITS_62)}_"
        name, place = f"{name}T{reference * 2}E", len(name) - 2
    return name + "E"
