"""The API against its own description, with requests that schemathesis draws from it."""

import sys
from pathlib import Path

import numpy as np
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from torch import nn

from segcourse.deploy.service import Limits, Service, create_app
from segcourse.inference.segmenter import Segmenter

sys.path.insert(0, str(Path(__file__).parent))  # tests are imported by path
import uploads

RNG = np.random.default_rng(0)
PICTURES = [uploads.picture(RNG, form, side=16) for form in uploads.FORMATS]


@pytest.fixture(scope="module")
def operations():
    """Return what can be asked of the API, by path."""
    for name in ("application/octet-stream", "image/*"):  # by itself, schemathesis sends any bytes
        schemathesis.openapi.media_type(name, st.sampled_from(PICTURES))
    network = Segmenter(nn.Conv2d(3, 2, kernel_size=1), class_names=("skin", "lesion"), device="cpu")
    service = Service({"a network": network}, Limits())
    schema = schemathesis.openapi.from_wsgi("/openapi.json", create_app(service))
    yield {one.path: one for one in (found.ok() for found in schema.get_all_operations())}
    service.close()


@pytest.mark.parametrize("path", ["/segment", "/models", "/health", "/metrics"])
def test_a_request_that_fits_the_description_is_answered_as_it_says(operations, path):
    assert set(codes(operations[path], GenerationMode.POSITIVE)) == {200}


def test_a_request_that_breaks_the_description_is_refused_as_it_says(operations):
    assert 400 in codes(operations["/segment"], GenerationMode.NEGATIVE)


def codes(operation, mode):
    """Send requests, compare each answer with the description, and return the answers' status codes."""
    seen = []

    @settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(operation.as_strategy(generation_mode=mode))
    def compare(case):
        answer = case.call()
        seen.append(answer.status_code)
        case.validate_response(answer)

    compare()
    return seen
