"""Files that are written whole: what is there before."""

import pytest

from lstmcore.experiments.files import write_text


def test_a_read_only_file_is_not_replaced(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "first")
    path.chmod(0o444)
    with pytest.raises(PermissionError, match="the file is read-only") as caught:
        write_text(path, "second")
    assert caught.value.filename == str(path)
    assert path.read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]


def test_permissions_are_kept_and_new_files_are_readable(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "first")
    assert path.stat().st_mode & 0o777 == 0o644
    path.chmod(0o600)
    write_text(path, "second")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text() == "second"
