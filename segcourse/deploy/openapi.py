"""The description of the web service's API, OpenAPI 3.1."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import segcourse

if TYPE_CHECKING:
    from segcourse.deploy.service import Limits

_ERROR = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}
_COUNT = {"type": "integer", "minimum": 0}
_CLASS = {
    "type": "object",
    "required": ["id", "name", "colour"],
    "properties": {
        "id": _COUNT,
        "name": {"type": "string"},
        "colour": {"type": "array", "items": _COUNT, "minItems": 3, "maxItems": 3, "description": "R, G, B."},
    },
}
_MODELS = {
    "type": "object",
    "required": ["models", "limits"],
    "properties": {
        "models": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name", "note", "size", "threshold", "classes"],
                "properties": {
                    "name": {"type": "string"},
                    "note": {"type": "string", "description": "What people have to know; may be empty."},
                    "size": {
                        "type": ["array", "null"],
                        "items": _COUNT,
                        "description": "Height and width that pictures are resized to; null: their own.",
                    },
                    "threshold": {
                        "type": "number",
                        "description": "With two classes: a pixel is class 1 where its probability is above.",
                    },
                    "classes": {"type": "array", "items": _CLASS},
                },
            },
        },
        "limits": {
            "type": "object",
            "required": ["bytes", "pixels"],
            "properties": {"bytes": _COUNT, "pixels": _COUNT},
        },
    },
}
_MASK = {
    "type": "object",
    "required": ["model", "height", "width", "classes"],
    "properties": {
        "model": {"type": "string"},
        "height": _COUNT,
        "width": _COUNT,
        "classes": {
            "type": "array",
            "description": "The classes that the picture has.",
            "items": {
                "type": "object",
                "required": ["id", "name", "share", "rle"],
                "properties": {
                    "id": _COUNT,
                    "name": {"type": "string"},
                    "share": {"type": "number", "description": "Share of the pixels, 0 to 1."},
                    "rle": {
                        "type": "object",
                        "required": ["size", "counts"],
                        "description": "COCO's run lengths: column by column, zeros first.",
                        "properties": {
                            "size": {"type": "array", "items": _COUNT, "description": "Height and width."},
                            "counts": {"type": "array", "items": _COUNT},
                        },
                    },
                },
            },
        },
    },
}


def description(models: Sequence[str], limits: "Limits") -> dict[str, Any]:
    """Return the description of a service with these models and limits."""
    picture = {"type": "string", "format": "binary"}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "segcourse serve",
            "version": segcourse.__version__,
            "description": "Segments pictures: JPEG, PNG, GIF, BMP, TIFF or WebP, of at most "
            f"{limits.megabytes} million bytes and {limits.megapixels} million pixels. Each answer with an "
            "error is a JSON object with one sentence.",
        },
        "paths": {
            "/segment": {
                "post": {
                    "summary": "Return the mask of a picture, at its size and upright.",
                    "parameters": [
                        _parameter("model", models, "Which network."),
                        _parameter("format", ("png", "json"), "An indexed PNG of class ids, or run lengths."),
                    ],
                    "requestBody": {
                        "required": True,
                        "content": {
                            "application/octet-stream": {"schema": picture},
                            "image/*": {"schema": picture},
                            "multipart/form-data": {
                                "schema": {
                                    "type": "object",
                                    "required": ["image"],
                                    "properties": {"image": picture},
                                },
                                "encoding": {"image": {"contentType": "image/*"}},
                            },
                        },
                    },
                    "responses": {
                        "200": {
                            "description": "The mask.",
                            "content": {
                                "image/png": {"schema": picture},
                                "application/json": {"schema": _MASK},
                            },
                        },
                        "400": _error("The request holds no picture, or a parameter has another value."),
                        "413": _error("The picture has too many bytes or pixels."),
                        "422": _error("The picture can't be read."),
                        "503": _busy("The server is busy or stopping."),
                    },
                }
            },
            "/models": {"get": _get("List the networks, their classes, and the limits.", _MODELS)},
            "/health": {
                "get": {
                    **_get("Say whether the server takes requests.", {"type": "object"}),
                }
            },
            "/metrics": {
                "get": _get("Return counts and times for Prometheus.", {"type": "string"}, "text/plain")
            },
            "/openapi.json": {"get": _get("Return this description.", {"type": "object"})},
        },
    }


def _parameter(name: str, values: Sequence[str], text: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "query",
        "description": text,
        "schema": {"type": "string", "enum": list(values), "default": values[0]},
    }


def _answer(text: str, schema: dict[str, Any], kind: str = "application/json") -> dict[str, Any]:
    return {"description": text, "content": {kind: {"schema": schema}}}


def _error(text: str) -> dict[str, Any]:
    return _answer(text, _ERROR)


def _busy(text: str) -> dict[str, Any]:
    seconds = {"description": "Seconds to wait before trying again.", "schema": {"type": "integer"}}
    return {**_error(text), "headers": {"Retry-After": seconds}}


def _get(text: str, schema: dict[str, Any], kind: str = "application/json") -> dict[str, Any]:
    return {"summary": text, "responses": {"200": _answer(text, schema, kind)}}
