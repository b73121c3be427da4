"""The tests here build the image and run it; they come last, for the build takes a minute on a machine that has not done it before."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.container.build import Image, built, needs
from tests.container.engine import Container
from tests.container.network import INSIDE, OUTSIDE, Namespace, join, route_elsewhere

HERE = Path(__file__).resolve().parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    ours = [item for item in items if HERE in item.path.parents]
    for item in ours:
        item.add_marker(pytest.mark.wire)
        item.add_marker(pytest.mark.container)
    items[:] = [item for item in items if item not in set(ours)] + ours


@pytest.fixture(scope="session")
def image() -> Iterator[Image]:
    needs()
    with built() as image:
        yield image


@pytest.fixture
def inside() -> Iterator[Namespace]:
    """The container's network."""
    namespace = Namespace()
    yield namespace
    namespace.close()


@pytest.fixture
def outside(inside: Namespace) -> Iterator[Namespace]:
    """A host on the same network as the container, which has its default route there."""
    namespace = Namespace()
    try:
        join(inside, INSIDE, namespace, OUTSIDE)
        route_elsewhere(inside, OUTSIDE)
        yield namespace
    finally:
        namespace.close()


@pytest.fixture
def start(image: Image, inside: Namespace, tmp_path: Path) -> Iterator[Callable[..., Container]]:
    """Runs containers, and removes them."""
    containers: list[Container] = []

    def run(*command: str, **how: Any) -> Container:
        containers.append(Container(image, inside, tmp_path, *command, **how))
        return containers[-1]

    yield run
    for container in containers:
        container.remove()
