"""Every evaluation vector: the variation, its id and its experiment as Kameleoon's own client gives them."""

from __future__ import annotations

from typing import Any

import pytest

from openfeature_kameleoon.errors import KameleoonError
from openfeature_kameleoon.views import variation_view
from tests.vectors import Stage, data_file, reference_error, vectors

VECTORS = [pytest.param(vector, id=f"{vector['id']}-{vector['group']}") for vector in vectors("evaluation")]


def stage_of(vector: dict[str, Any]) -> Stage:
    return Stage(data_file(vector.get("datafile_patch")))


def outcome(stage: Stage, vector: dict[str, Any]) -> dict[str, Any]:
    """What the vector's last call gives, in the words of the vectors."""
    try:
        stage.play(vector["visitor_code"], vector.get("steps", ()))
        stage.at(vectors("meta")["evaluate_at_ms"])
        variation = variation_view(stage.evaluate(vector["visitor_code"], vector["flag"]))
    except KameleoonError as error:
        return {"error": reference_error(error)}
    return {
        "variation_key": variation.key,
        "variation_id": variation.id_,
        "experiment_id": variation.experiment_id,
    }


def test_all_vectors_are_here() -> None:
    assert len(VECTORS) == 387


@pytest.mark.parametrize("vector", VECTORS)
def test_an_evaluation_is_that_of_the_reference(vector: dict[str, Any]) -> None:
    stage = stage_of(vector)

    assert outcome(stage, vector) == vector["expected"]
