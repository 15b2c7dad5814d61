"""The measured part of a model card: traits of an image, calibration, groups, and its place on the page."""

import math
import sys

import cv2
import numpy as np
import pytest
import torch

from segcourse import Segmenter, create_model
from segcourse.data.lesions import Lesions
from segcourse.palette import Palette
from segcourse.recipes import card
from segcourse.recipes.card import Calibration, Case, Traits, groups, traits

SKIN, LESION = (224, 180, 160), (110, 70, 60)


def picture(skin=SKIN, lesion=LESION, hairs=0):
    image, mask = np.full((256, 256, 3), skin, np.uint8), np.zeros((256, 256), np.uint8)
    cv2.circle(mask, (128, 128), 40, 1, cv2.FILLED)
    image[mask == 1] = lesion
    for i in range(hairs):
        cv2.line(image, (10 + 20 * i, 0), (60 + 20 * i, 255), (40, 30, 25), 3)
    return image, mask


def test_size_and_contrast_are_those_that_were_drawn():
    found = traits(*picture())
    assert found.size == pytest.approx(math.pi * 40**2 / 256**2, rel=0.02)
    assert found.contrast > 40
    assert traits(*picture(lesion=(214, 168, 148))).contrast < 8


def test_thin_dark_lines_are_hair_and_a_lesion_is_not():
    assert traits(*picture()).hair < 0.002
    few, many = traits(*picture(hairs=3)).hair, traits(*picture(hairs=9)).hair
    assert 0.005 < few < many


def test_darker_skin_has_a_smaller_angle():
    tones = [traits(*picture(skin=skin)).tone for skin in (SKIN, (170, 120, 90), (90, 60, 45))]
    assert tones == sorted(tones, reverse=True)
    assert tones[0] > 28 > 10 > tones[-1]


def test_an_empty_mask_and_a_full_one_have_no_contrast():
    image, mask = picture()
    assert math.isnan(traits(image, 0 * mask).contrast)
    full = traits(image, 0 * mask + 1)
    assert math.isnan(full.contrast)
    assert math.isnan(full.tone)


def test_a_calibrated_network_has_no_error_and_ignored_pixels_do_not_count():
    found = Calibration()
    found.add(torch.full((4, 5), 0.25), torch.tensor([[1, 0, 0, 0, 255]] * 4))
    assert found.error() == 0
    found.add(torch.ones(16), torch.zeros(16, dtype=torch.long))  # sure, and wrong
    assert found.error() == 0.5
    assert "| 0.9 to 1.0 | 50.0% | 0% |" in found.table()


def test_each_image_is_in_one_group_of_each_trait_or_in_none():
    cases = [Case(Traits(0.3, math.nan, 0.02, 60), 0.9, 0.8), Case(Traits(0.3, 15, 0.02, 60), 0.7, 0.5)]
    text = groups(cases)
    assert "| size | 20 to 50 % | 2 | 0.800 | 50 % |" in text
    assert "| contrast | 10 to 20 | 1 | 0.700 | 100 % |" in text
    assert len(text.splitlines()) == 2 + 4


def test_the_command_writes_between_the_marks_of_a_card(tmp_path, monkeypatch):
    page, model = tmp_path / "card.md", tmp_path / "model.safetensors"
    page.write_text(f"before\n{card.BEGIN}old\n{card.END}after\n", encoding="utf-8")
    torch.manual_seed(0)
    Segmenter(create_model("half_unet", 2, width=4), palette=Palette.lesion(), size=32).save(model)
    monkeypatch.setattr(card, "load_dataset", lambda *_: Lesions(6, size=48, seed=1))
    monkeypatch.setattr(sys, "argv", ["card", "--model", str(model), "--card", str(page)])
    card.main()
    text = page.read_text(encoding="utf-8")
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "6 images of isic2018, split val" in text
    assert text.index("| with flips |") < text.index("| one pass |") < text.index("| size |")
    assert "Expected calibration error: 0." in text
