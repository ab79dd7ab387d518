"""/openapi.json of a broker that asks who somebody is."""

from pathlib import Path
from typing import Any

import pytest

from miniqueue_py.http.pages.openapi.document import document
from miniqueue_py.http.pages.openapi.rights import with_rights
from tests.access.gate import Gate
from tests.access.test_table import routes

pytestmark = pytest.mark.anyio

METHODS = ("get", "put", "post", "delete")


async def test_each_request_says_which_right_it_needs(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    secret = await gate.admit("anybody", {})
    cells = {
        (cell.method.lower(), cell.target.partition("?")[0].replace("orders", "{topic}")): cell
        for cell in await routes(gate)
        if not cell.dialect
    }
    told = (await gate.ask("GET", "/openapi.json", secret)).values[0]

    assert told["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    described = 0
    for path, methods in told["paths"].items():
        for method in set(methods) & set(METHODS):
            page: dict[str, Any] = methods[method]
            if path in {"/healthz", "/readyz"} and method == "get":
                assert page["security"] == []
                assert "401" not in page["responses"]
                continue
            same = cells[method, "/{topic}" if method == "delete" else path]
            assert page["security"] == [{"token": [same.right] if same.right else []}]
            assert ("401" in page["responses"], "403" in page["responses"]) == (
                True,
                same.right is not None,
            )
            described += 1
    assert described > 15


def test_without_rights_it_says_nothing_of_them() -> None:
    assert "security" not in str(document())
    assert "securitySchemes" in with_rights(document())["components"]
