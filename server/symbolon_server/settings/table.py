"""The documentation's table of settings."""

from symbolon_server.settings.knobs import Row, rows


def settings_table() -> str:
    """Return all settings as a Markdown table, in the order of declaration."""
    head = ["| setting | default | meaning |", "|---|---|---|"]
    return "\n".join([*head, *(settings_row(row) for row in rows())])


def settings_row(row: Row) -> str:
    """Return one setting's row of the table."""
    return f"| `{row.variable}` | {row.default_text} | {row.knob.help} |"
