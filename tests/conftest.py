"""The order of the tests."""


def pytest_collection_modifyitems(items):
    """Put files that hold slow tests first, so that no worker is left with one at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
