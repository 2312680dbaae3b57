"""The pytest plugin under this package's name, for `-p outlast.testing.plugin`.

It lives in `pytest_outlast`, beside the package: pytest loads it in every run on the machine, and
whatever is in here would load all of `outlast` with it.
"""

from pytest_outlast import outlast_mock, outlast_truth, pytest_configure, pytest_pyfunc_call

__all__ = ["outlast_mock", "outlast_truth", "pytest_configure", "pytest_pyfunc_call"]
