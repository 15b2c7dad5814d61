"""Exercise 10.9: right answers in other styles, promises and their breakers, mutants that are equal."""

import re
from itertools import groupby

from contract import Contract

from segcourse.exercises.l10_clinic import split_names as module
from segcourse.exercises.l10_clinic.split_names import split_names as answer


def by_pattern(names, every):
    lesions = [re.match(r"lesion_(\d+)", name)[1] for name in names]
    order = sorted(set(lesions), key=lesions.index)
    train, val = [], []
    for place, lesion in enumerate(lesions):
        (val if order.index(lesion) % every == 0 else train).append(place)
    return train, val


def by_groups(files, step):
    groups = {}
    for place, name in enumerate(files):
        groups.setdefault(name.split(".")[0].split("_")[1], []).append(place)
    sides = [[], []]
    for number, places in enumerate(groups.values()):
        sides[number % step == 0] += places
    return sides


def by_sets(names, every):
    numbers = [int(name[7:].split(".")[0].split("_")[0]) for name in names]
    first = {number: numbers.index(number) for number in numbers}
    ranked = [number for number, _ in groupby(sorted(first, key=first.get))]
    chosen = {number for rank, number in enumerate(ranked) if not rank % every}
    val = {place for place, number in enumerate(numbers) if number in chosen}
    return sorted(set(range(len(names))) - val), sorted(val, reverse=True)


class TestSplitNames(Contract):
    name = "split_names"
    library = staticmethod(by_groups)
    right = {"pattern": by_pattern, "groups": by_groups, "sets": by_sets}
    promises = (
        ("for an original", "a number begins like another", module._by_prefix),
        ("any number of digits", "a number begins like another", module._by(lambda name: name[:9])),
        ("for its copies", "each lesion has two copies", module._by(lambda name: name.rsplit("_", 1)[0])),
        ("in any order", "copies come before their originals", module._originals_only),
        ("an integer from 2 on", "each lesion has three copies", lambda names, every: answer(names, 2)),
        ("in the order in which they first occur", "the numbers are not in order",
         module._by(module._original, lambda originals, every: sorted(originals)[::every])),
        ("Lesions 0, `every`, 2·`every` …", "sorted names",
         module._by(module._original, lambda originals, every: originals[every - 1 :: every])),
        ("with all their files", "each lesion has one copy", module._originals_only,
         module._dropping(lambda name: True, module._is_original)),
        ("All other files are for training", "mixed names", module._dropping(module._is_original, lambda name: True)),
        ("two lists of indices into `names`, (train, val)", "sorted names", lambda *given: answer(*given)[::-1],
         lambda names, every: [[names[i] for i in side] for side in answer(names, every)]),
    )  # fmt: skip
    equal = {}
    said = (
        (lambda names, every: (names.sort(), answer(names, every))[1], "changes the list `names` itself"),
        (
            lambda names, every: [[names[i] for i in side] for side in answer(names, every)],
            "isn't an index into",
        ),
        (lambda names, every: answer(names, every)[0], "a tuple (train, val) is asked for"),
    )
