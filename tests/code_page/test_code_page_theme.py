"""What the code page loads: its own files, and those of the operator's folder."""

import pytest

from gateway.web.site.assets import Assets
from gateway.web.site.code_view import clock_text


def test_a_folder_without_such_files_changes_nothing(tmp_path):
    assets = Assets(tmp_path)

    assert (assets.theme, assets.logo, assets.footer("de")) == (None, None, "")


def test_a_name_holds_the_digest_of_the_file(tmp_path):
    (tmp_path / "challenge.css").write_text("a{}")
    one = Assets(tmp_path).theme
    (tmp_path / "challenge.css").write_text("b{}")
    other = Assets(tmp_path).theme

    assert one.name != other.name
    assert Assets(tmp_path).named(other.name).body == b"b{}"
    assert Assets(tmp_path).named("challenge.css") is None


def test_a_footer_of_a_language_comes_before_that_for_all(tmp_path):
    (tmp_path / "de").mkdir()
    (tmp_path / "de" / "challenge.footer.html").write_text("<a href='/impressum'>Impressum</a>")
    (tmp_path / "challenge.footer.html").write_text("<a href='/imprint'>Imprint</a>")
    assets = Assets(tmp_path)

    assert "Impressum" in assets.footer("de")
    assert "Imprint" in assets.footer("ar")


def test_a_png_is_a_logo_where_there_is_no_svg(tmp_path):
    (tmp_path / "challenge.png").write_bytes(b"png")
    assert Assets(tmp_path).logo.content_type == "image/png"
    (tmp_path / "challenge.svg").write_bytes(b"svg")
    assert Assets(tmp_path).logo.content_type == "image/svg+xml"


def test_a_file_that_is_too_large_is_named(tmp_path):
    (tmp_path / "challenge.css").write_bytes(b" " * (256 * 1024 + 1))

    with pytest.raises(ValueError, match=r"challenge\.css: is larger than 256 KiB"):
        Assets(tmp_path)


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (59, "0:59"), (272, "4:32"), (3872, "1:04:32")])
def test_a_time_is_written_without_a_plural(seconds, text):
    assert clock_text(seconds) == text
