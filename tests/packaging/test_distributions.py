"""What is published: the files of the sdist and of the wheel, and what they say of themselves."""

import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
PATIENCE = 240.0
PUBLIC_SUITES = [
    "__init__",
    "check_codec",
    "check_codec_ends",
    "check_codec_flow",
    "check_codec_streams",
    "check_codec_violations",
    "check_shared",
    "check_storage",
    "check_storage_looks",
    "check_storage_replacing",
    "check_storage_snapshots",
    "check_storage_time",
    "check_storage_topics",
    "clock",
    "codecs",
    "storing",
]
"""Of miniqueue_py.testing, for who writes another engine or codec, and what they stand on."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both, built from a copy, so that nothing is left in the project."""
    copy = tmp_path_factory.mktemp("project")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached"], cwd=PROJECT, capture_output=True, check=True
    )
    for name in listed.stdout.decode().split("\0"):
        if (PROJECT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROJECT / name, copy / name)
    subprocess.run(
        [sys.executable, "-m", "build", str(copy)],
        capture_output=True,
        timeout=PATIENCE,
        check=True,
    )
    return copy / "dist"


def test_the_wheel_has_the_package_and_no_tests(built: Path) -> None:
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        names = wheel.namelist()

    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"miniqueue_py"}
    assert not [name for name in names if "/test_" in name or name.endswith((".pem", ".c"))]
    assert {"miniqueue_py/py.typed", "miniqueue_py/http/dashboard/index.html"} <= set(names)


def test_of_test_kit_the_wheel_has_the_public_suites_alone(built: Path) -> None:
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        names = wheel.namelist()

    assert sorted(name for name in names if "test" in name.lower()) == [
        f"miniqueue_py/testing/{name}.py" for name in PUBLIC_SUITES
    ]


def test_the_wheel_has_each_file_of_the_package_and_no_other(built: Path) -> None:
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}

    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "miniqueue_py"],
        cwd=PROJECT,
        capture_output=True,
        check=True,
    )
    kept = {name for name in listed.stdout.decode().split("\0") if (PROJECT / name).is_file()}
    assert names == kept


def test_the_sdist_has_documents_examples_and_changes(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}

    wanted = [PROJECT / "CHANGELOG.md", PROJECT / "SECURITY.md", PROJECT / "CONTRIBUTING.md"]
    wanted += [*(PROJECT / "docs").glob("*.md"), *(PROJECT / "examples").glob("*")]
    assert {str(path.relative_to(PROJECT)) for path in wanted if path.is_file()} <= names


def test_it_tells_its_extras_and_its_addresses(built: Path) -> None:
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        [name] = [name for name in wheel.namelist() if name.endswith("/METADATA")]
        told = Parser().parsestr(wheel.read(name).decode())

    assert {"server", "dev", "bench"} <= {*told.get_all("Provides-Extra", [])}
    assert told["Requires-Python"] == "<3.15,>=3.11"
    assert {each.partition(",")[0] for each in told.get_all("Project-URL", [])} == {
        "Homepage",
        "Documentation",
        "Changelog",
        "Issues",
    }
