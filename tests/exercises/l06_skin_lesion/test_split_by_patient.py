"""Exercise 6.2: right answers in other styles, promises and their breakers, mutants that are equal."""

import random

import numpy as np
import torch
from contract import Contract

from segcourse.exercises.l06_skin_lesion import split_by_patient as module
from segcourse.exercises.l06_skin_lesion.split_by_patient import split_by_patient as answer


def in_numpy(records, share, number):
    people = np.unique(np.array([str(patient) for _, patient in records]))
    count = int(np.clip(round(share * len(people)), 1, len(people) - 1))
    val = np.random.default_rng(number).choice(people, count, replace=False)
    inside = [str(patient) in val for _, patient in records]
    return [r for r, i in zip(records, inside, strict=True) if not i], [
        r for r, i in zip(records, inside, strict=True) if i
    ]


def in_torch(records, fraction, seed):
    people = list(dict.fromkeys(patient for _, patient in records))  # the order of the records, which stays
    order = torch.randperm(len(people), generator=torch.Generator().manual_seed(seed)).tolist()
    count = max(1, min(len(people) - 1, int(fraction * len(people) + 0.5)))
    val = [people[i] for i in order[-count:]]
    parts = ([], [])
    for record in records:
        parts[record[1] in val].append(record)
    return parts


def by_sample(records, fraction, seed):
    by_patient = {}
    for name, patient in records:
        by_patient.setdefault(patient, []).append((name, patient))
    keys = sorted(by_patient, key=str)
    count = min(max(round(fraction * len(keys)), 1), len(keys) - 1)
    val = random.Random(seed).sample(keys, count)
    train = [key for key in keys if key not in val]
    return [r for key in train for r in by_patient[key]], [r for key in val for r in by_patient[key]]


def without(records, fraction, seed):
    train, val = answer(records, fraction, seed)
    return train[1:], val


def doubled(records, fraction, seed):
    train, val = answer(records, fraction, seed)
    return train, [*val, val[0]]


def neighbours(records, fraction, seed):
    """Move whole runs of one patient."""
    runs = []
    for record in records:
        if runs and runs[-1][0][1] == record[1]:
            runs[-1].append(record)
        else:
            runs.append([record])
    random.Random(seed).shuffle(runs)
    count = min(max(1, round(fraction * len(runs))), len(runs) - 1)
    return [r for run in runs[count:] for r in run], [r for run in runs[:count] for r in run]


def by_coin(records, fraction, seed):
    chance = random.Random(seed)
    val = [p for p in sorted({p for _, p in records}) if chance.random() < fraction]
    return [r for r in records if r[1] not in val], [r for r in records if r[1] in val]


def first_trains(records, fraction, seed):
    """Keep the first patient out of val."""
    people = sorted({patient for _, patient in records})
    count = min(max(1, round(fraction * len(people))), len(people) - 1)
    val = random.Random(seed).sample(people[1:], count)
    return [one for one in records if one[1] not in val], [one for one in records if one[1] in val]


class TestSplitByPatient(Contract):
    name = "split_by_patient"
    library = staticmethod(in_numpy)
    right = {"NumPy": in_numpy, "PyTorch": in_torch, "sample": by_sample}
    promises = (
        ("a list of tuples (name, patient)", "there are two patients",
         lambda r, f, s: tuple([name for name, _ in part] for part in answer(r, f, s))),
        ("side by side or apart", "a patient's images lie apart", neighbours),
        ("side by side or apart", "a patient's images lie side by side", module._by_record(shuffle=True)),
        ("a string or an int", "patients have ids like P42", lambda r, f, s: answer([(n, int(p)) for n, p in r], f, s)),
        ("a string or an int", "patients are numbers", lambda r, f, s: answer([(n, p.strip()) for n, p in r], f, s)),
        ("the share of *patients*", "one patient has most images", module._by(module._until_full)),
        ("rounded to a whole number", "the fraction is rounded up",
         module._by_count(lambda f, n: min(max(1, int(f * n)), n - 1))),
        ("rounded to a whole number", "the fraction is rounded down",
         module._by_count(lambda f, n: min(max(1, -int(-f * n // 1)), n - 1))),
        ("at least one patient is in val", "the fraction is less than one patient",
         module._by_count(lambda f, n: min(round(f * n), n - 1))),
        ("at least one in train", "the fraction is nearly everybody", module._by_count(lambda f, n: max(1, round(f * n)))),
        ("same records in the same order with the same seed", "the records are sorted by patient",
         module._by_drawing(module._people, lambda people, seed: random.sample(people, len(people)))),
        ("also in another Python process", "another process hashes names differently",
         module._by_drawing(lambda r: list({p for _, p in r}), module._shuffled)),
        ("another seed may draw other patients", "the seed decides", lambda r, f, s: answer(r, f, 0)),
        ("each patient gets into val with some seeds", "the seed decides", first_trains),
        ("a tuple of two lists of records, (train, val)", "how many patients", lambda *given: answer(*given)[::-1],
         lambda *given: [*answer(*given), []]),
        ("Each record is in exactly one of them", "several images per patient", without, doubled),
        ("no patient is in both", "patients have ids like P42", module._by_record(shuffle=True)),
    )  # fmt: skip
    equal = {
        r"min\(len\(patients\) - 1, max|max\(round\(.*, 1\)|round\(len\(patients\) \* fraction\)": "as many patients",
        r"->  chosen = patients\[:count\]": "a list answers the same as a set",
        r"->  .*record\[-1\]": "a record has two parts",
        r"^random\.Random.*->  count = ": "the order of the two lines does not matter",
    }
    said = (
        (lambda r, f, s: answer(r, f, s)[0], "two lists (train, val) are asked for"),
        (by_coin, "The number of patients in val changes with the seed, from "),
        (lambda r, f, s: (1, 2), "Each of your two parts has to be a list"),
        (module._by_record(shuffle=True), "You shuffle the images and cut the list"),
    )
