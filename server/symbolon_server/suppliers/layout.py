"""Where suppliers keep a module's symbol file: `<debug file>/<DEBUG ID>/<name>.sym`."""

from urllib.parse import quote

from symbolon_server.symbols.module_ids import ModuleId


def symbol_file_parts(module_id: ModuleId) -> tuple[str, str, str]:
    """Return the three parts of the symbol file's path.

    None of them is empty, `.` or `..`, or holds a separator: `ModuleId.parse` sees to that.
    """
    return module_id.debug_file, module_id.debug_id, module_id.symbol_file_name


def quoted_symbol_file_path(module_id: ModuleId) -> str:
    """Return the path for a URL, in UTF-8, with all but letters, digits and `-._~` quoted.

    A `+` is quoted, too: S3 reads a plain one as a space.
    """
    return "/".join(quote(part, safe="") for part in symbol_file_parts(module_id))
