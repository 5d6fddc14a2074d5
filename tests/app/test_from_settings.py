from pathlib import Path

import pytest

from symbolon_server.app import StartError
from symbolon_server.app.wiring.suppliers import suppliers_of
from symbolon_server.settings import Settings


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"http://host/ X-Api-Key: hunter2", "the URL in line 1 is not that of a supplier"),
        (b"hunter2", "line 1 is not `URL name: value`"),
        (b"\xffhunter2", "{file} is not a text file"),
        (None, "cannot read {file}: No such file or directory"),
    ],
)
def test_an_unusable_file_of_headers_is_reported_without_its_content(
    tmp_path: Path, content: bytes | None, complaint: str
) -> None:
    file = tmp_path / "headers"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(StartError) as caught:
        suppliers_of(Settings(suppliers=("/symbols",), supplier_headers_file=file))
    complaint = complaint.format(file=file)
    assert str(caught.value) == f"SYMBOLON_SUPPLIER_HEADERS_FILE: {complaint}"
