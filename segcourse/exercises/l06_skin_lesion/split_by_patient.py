"""Exercise 6.2: a split in which no patient is on both sides."""

import random
from collections import Counter
from collections.abc import Iterator

from numpy.random import Generator

from segcourse.exercises.engine.exercise import Case, Exercise
from segcourse.exercises.engine.observing import Explained


def split_by_patient(records, fraction, seed):
    """Split records (name, patient) into two lists (train, val) that share no patient."""
    patients = sorted({patient for _, patient in records})
    random.Random(seed).shuffle(patients)
    count = min(max(1, round(fraction * len(patients))), len(patients) - 1)
    chosen = set(patients[:count])
    train = [record for record in records if record[1] not in chosen]
    return train, [record for record in records if record[1] in chosen]


SEVERAL, SIZES, SEEDS = "several images per patient", "how many patients", "the seed decides"
TRIES = 64  # seeds per case: all of them miss one of five patients with 3e-6, where one is drawn


class Patient(str):
    """A name whose hash changes as it does from one Python process to the next."""

    salt = 0

    def __hash__(self):
        return hash((Patient.salt, str(self)))


def cases(rng: Generator) -> Iterator[Case]:
    def case(group, patients, fraction, *traits, seed=0):
        records = [(f"image{i}", patient) for i, patient in enumerate(patients)]
        people = len(set(patients))
        given = f"{len(records)} records of {people} patients, fraction = {fraction:.3g}, seed = {seed}"
        shown = f"records, fraction, seed = {records}, {fraction!r}, {seed}" if len(records) < 9 else ""
        inputs = {"records": records, "fraction": fraction, "seed": seed}
        return Case(group, inputs, traits, given=given, build=shown)

    yield case(SEVERAL, [1, 1, 2, 2, 3, 3], 1 / 3, "a patient's images lie side by side")
    yield case(SEVERAL, [1, 2, 3, 1, 2, 3], 1 / 3, "a patient's images lie apart")
    yield case(SEVERAL, [7, 7, 7, 7, 7, 7, 8, 9, 3, 4], 0.4, "one patient has most images")
    yield case(SIZES, [1, 2, 3, 4, 5], 0.05, "the fraction is less than one patient")
    yield case(SIZES, [1, 2, 3, 4, 5], 0.97, "the fraction is nearly everybody")
    yield case(SIZES, [5, 6], 0.4, "there are two patients")
    yield case(SIZES, [0, 1, 2, 3, 4, 5, 6, 7], 0.35, "the fraction is rounded up")
    yield case(SIZES, [0, 1, 2, 3, 4, 5, 6, 7], 0.3, "the fraction is rounded down")
    names = [Patient(name) for name in ("ana", "bo", "cy", "dee", "eve", "fay", "gil", "hal", "ida")]
    yield case(SEEDS, names, 1 / 3, "another process hashes names differently")
    drawn = [f"P{number}" for number in rng.permutation(90)[:8] + 10]
    images = [drawn[i] for i in rng.permutation([*range(8), *rng.integers(0, 8, 14)])]
    yield case(SEVERAL, images, 0.25, "patients have ids like P42")
    numbers = [int(number) for number in rng.permutation(1000)[:10]]
    images = [numbers[i] for i in rng.permutation([*range(10), *rng.integers(0, 10, 15)])]
    yield case(SIZES, images, 0.4, "patients are numbers", seed=int(rng.integers(1, 1000)))
    yield case(
        SEEDS, sorted(images), 0.3, "the records are sorted by patient", seed=int(rng.integers(1, 1000))
    )


def look(obj, case):
    """Observe splits with many seeds: who is where, and whether the seed alone decides."""
    records, fraction, seed = case.inputs.values()
    patients = {patient for _, patient in records}
    everybody = Counter((name, str(patient)) for name, patient in records)
    lost = both = 0
    repeated, drawn, splits, counts = True, set(), set(), set()
    for number in range(seed, seed + TRIES):
        train, val = _split(obj, records, fraction, number)
        Patient.salt += 1
        again = _split(obj, [(n, type(p)(p)) for n, p in records], fraction, number)
        repeated = repeated and [_plain(train), _plain(val)] == [_plain(part) for part in again]
        found = Counter(_plain(train)) + Counter(_plain(val))
        lost = max(lost, ((everybody - found) + (found - everybody)).total())
        sides = [{str(patient) for _, patient in part} for part in (train, val)]
        both = max(both, len(sides[0] & sides[1]))
        counts.add(len(sides[1]))
        drawn |= sides[1]
        splits.add(frozenset(sides[1]))
    return {
        "records lost or doubled": lost,
        "patients on both sides": both > 0,
        "patients in val": sorted(counts) if both == 0 else [0],
        "the same seed gives the same split": repeated,
        "another seed gives another split": len(splits) > 1,
        "every patient is drawn by some seed": len(drawn) == len(patients),
    }


def _split(obj, records, fraction, seed):
    parts = obj(list(records), fraction, seed)
    if not isinstance(parts, tuple | list) or len(parts) != 2:
        what = f"{len(parts)} parts" if isinstance(parts, tuple | list) else f"a {type(parts).__name__}"
        raise Explained(f"Your answer returns {what}; two lists (train, val) are asked for.")
    for part in parts:
        whole = isinstance(part, list | tuple)
        if not whole or not all(isinstance(one, tuple | list) and len(one) == 2 for one in part):
            raise Explained("Each of your two parts has to be a list of records (name, patient).")
    return parts


def _plain(part):
    return [(name, str(patient)) for name, patient in part]


def _by(choose):
    """Return an answer that chooses the patients of val in another way."""

    def wrong(records, fraction, seed):
        chosen = set(choose(records, fraction, seed))
        val = [record for record in records if record[1] in chosen]
        return [record for record in records if record[1] not in chosen], val

    return wrong


def _people(records):
    return sorted({patient for _, patient in records})


def _count(fraction, people):
    return min(max(1, round(fraction * people)), people - 1)


def _by_count(count):
    """Return an answer with another number of patients in val."""

    def choose(records, fraction, seed):
        people = _people(records)
        random.Random(seed).shuffle(people)
        return people[: count(fraction, len(people))]

    return _by(choose)


def _by_drawing(people_of, shuffled):
    def choose(records, fraction, seed):
        people = people_of(records)
        return shuffled(people, seed)[: _count(fraction, len(people))]

    return _by(choose)


def _shuffled(people, seed):
    random.Random(seed).shuffle(people)
    return people


def _by_record(shuffle):
    def wrong(records, fraction, seed):
        order = list(records)
        if shuffle:
            random.Random(seed).shuffle(order)
        count = _count(fraction, len(order))
        return order[count:], order[:count]

    return wrong


def _until_full(records, fraction, seed):
    people, images = _shuffled(_people(records), seed), Counter(patient for _, patient in records)
    chosen: list = []
    while sum(images[one] for one in chosen) < fraction * len(records) and len(chosen) < len(people) - 1:
        chosen.append(people[len(chosen)])
    return chosen


def _one_each(records, fraction, seed):
    first = list({patient: (name, patient) for name, patient in reversed(records)}.values())
    return split_by_patient(first, fraction, seed)


def celebrate(answer):
    """Show the images of thirty patients, and who went to validation."""
    from segcourse.plotting import show_bars

    records = [(f"image{i}-{patient}", patient) for patient in range(30) for i in range(1 + patient % 4)]
    train, val = answer(records, 0.2, 0)
    shared = len({patient for _, patient in train} & {patient for _, patient in val})
    bars = {"images in train": len(train), "images in val": len(val), "patients in both": shared}
    show_bars(bars, xlabel="your split of 30 patients, a fifth of them for validation")


EXERCISE = Exercise(
    split_by_patient,
    number="6.2",
    difficulty=2,
    minutes=10,
    groups={SEVERAL: 2, SIZES: 1, SEEDS: 1},
    cases=cases,
    observe=look,
    celebrate=celebrate,
    mistakes=[
        (
            "You shuffle the images and cut the list. A patient's images can then be on both sides, and "
            "validation asks about patients that training has seen: draw patients.",
            _by_record(shuffle=True),
        ),
        (
            "You cut the list of images without shuffling. A patient whose images lie apart can then be on "
            "both sides, and the seed decides nothing: draw patients.",
            _by_record(shuffle=False),
        ),
        *(
            (
                "Your split is the same for every seed. Shuffle the patients, with a generator that `seed` "
                "sets.",
                _by_drawing(_people, shuffled),
            )
            for shuffled in (lambda people, seed: people, lambda people, seed: _shuffled(people, 42))
        ),
        (
            "The same seed gives another split the second time: you draw from a generator that `seed` "
            "doesn't set. Make one of your own, such as `random.Random(seed)`.",
            _by_drawing(_people, lambda people, seed: random.sample(people, len(people))),
        ),
        (
            "You shuffle a set's order. Names hash differently in each Python process, and with the hash the "
            "order of a set changes, so tomorrow the same seed splits differently: sort the patients first.",
            _by_drawing(lambda records: list({patient for _, patient in records}), _shuffled),
        ),
        *(
            (
                "The fraction of the patients is in your first list. It belongs in the second: (train, val).",
                wrong,
            )
            for wrong in (
                lambda *given: split_by_patient(*given)[::-1],
                _by_count(lambda fraction, people: people - _count(fraction, people)),
            )
        ),
        (
            "You cut off what is left of the number of patients (`int`). Round it: 0.35 of 8 patients are "
            "2.8, nearly 3.",
            _by_count(lambda fraction, people: min(max(1, int(fraction * people)), people - 1)),
        ),
        (
            "You always round up. Round to the nearest whole number: 0.3 of 8 patients are 2.4, nearly 2.",
            _by_count(lambda fraction, people: min(max(1, -int(-fraction * people // 1)), people - 1)),
        ),
        (
            "Validation is empty where the fraction is less than one patient. At least one patient goes "
            "there.",
            _by_count(lambda fraction, people: min(round(fraction * people), people - 1)),
        ),
        (
            "Training is empty where the fraction is nearly everybody. At least one patient stays there.",
            _by_count(lambda fraction, people: max(1, round(fraction * people))),
        ),
        (
            "One side is empty where the fraction is very small or very large. At least one patient is on "
            "each side.",
            _by_count(lambda fraction, people: round(fraction * people)),
        ),
        (
            "You fill validation up to a fraction of the *images*. The fraction is one of patients.",
            _by(_until_full),
        ),
        (
            "You take the fraction of the number of images, and draw as many patients. It is a fraction of "
            "the patients.",
            _by(
                lambda records, fraction, seed: _shuffled(people := _people(records), seed)[
                    : min(max(1, round(fraction * len(records))), len(people) - 1)
                ]
            ),
        ),
        ("You keep one image per patient. Every record goes to one of the two lists.", _one_each),
    ],
    finished=(
        "sklearn.model_selection:GroupShuffleSplit",
        "sklearn.model_selection:GroupKFold",
        "sklearn.model_selection:StratifiedGroupKFold",
    ),
)
