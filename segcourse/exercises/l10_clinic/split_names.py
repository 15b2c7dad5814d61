"""Exercise 10.9: too good on validation."""

from collections.abc import Iterator

import numpy as np
from numpy.random import Generator

from segcourse.exercises.engine.exercise import Case, Exercise
from segcourse.exercises.engine.observing import Explained
from segcourse.exercises.l10_clinic._pipelines import demand, pair


def split_names(names, every):
    """Return the indices into `names` of the files for training and for validation: two lists."""
    originals = ["_".join(name.removesuffix(".png").split("_")[:2]) for name in names]
    chosen = list(dict.fromkeys(originals))[::every]
    train = [i for i, original in enumerate(originals) if original not in chosen]
    return train, [i for i, original in enumerate(originals) if original in chosen]


def starter(names, every):
    val = list(range(0, len(names), every))
    return [i for i in range(len(names)) if i not in val], val


SORTED, MIXED = "sorted names", "mixed names"
COPIES = ["", "_dark", "_noise", "_flip_dark"]


def cases(rng: Generator) -> Iterator[Case]:
    fixed = np.random.default_rng(10)

    def case(group, numbers, copies, every, *traits, mix=None):
        names = [f"lesion_{number}{copy}.png" for number in numbers for copy in COPIES[:copies]]
        if mix is not None:
            mix.shuffle(names)
        return Case(
            group,
            {"names": names, "every": every},
            traits,
            given=f"names = {names}, every = {every}. Below, each file's side: 0 neither, 1 training, "
            "2 validation, 3 both",
        )

    yield case(SORTED, ["01", "02", "03"], 2, 3, "each lesion has one copy")
    yield case(SORTED, ["01", "02", "03", "04"], 3, 2, "each lesion has two copies")
    yield case(SORTED, ["07", "08", "11", "12", "13"], 4, 4, "each lesion has three copies")
    yield case(SORTED, ["1", "12", "123", "2"], 2, 3, "a number begins like another")
    yield case(MIXED, ["5", "3", "4", "1", "2"], 2, 2, "the numbers are not in order")
    yield case(MIXED, ["01", "02", "03", "04", "05"], 3, 3, "copies come before their originals", mix=fixed)
    lesions = [str(number) for number in rng.permutation(range(10, 40))[:7]]
    yield case(SORTED, sorted(lesions), 3, 3)
    yield case(MIXED, lesions, 2, 2, mix=rng)
    yield case(MIXED, lesions[:6], 4, 3, mix=rng)


def look(obj, case):
    """Observe the side of each file: 0 neither, 1 training, 2 validation, 3 both or twice."""
    names, every = case.inputs.values()
    given = list(names)
    came = obj(given, every)
    demand(
        given == names, "Your code changes the list `names` itself. Work on a copy, such as `sorted(names)`."
    )
    sides = [list(side) for side in pair(came, "(train, val)")]
    if not all(isinstance(i, int | np.integer) and 0 <= i < len(names) for side in sides for i in side):
        raise Explained(
            "Your lists hold something that isn't an index into `names`. Indices are integers from 0 to "
            "len(names) - 1."
        )
    train, val = sides
    counts = [(train.count(i), val.count(i)) for i in range(len(names))]
    return {"value": [{(0, 0): 0, (1, 0): 1, (0, 1): 2}.get(count, 3) for count in counts]}


def _original(name):
    return "_".join(name.removesuffix(".png").split("_")[:2])


def _is_original(name):
    return name.count("_") == 1


def _by(key, pick=lambda originals, every: originals[::every]):
    """Return an answer that takes names with the same key for one lesion, or picks other lesions."""

    def wrong(names, every):
        keys = [key(name) for name in names]
        chosen = pick(list(dict.fromkeys(keys)), every)
        val = [i for i, one in enumerate(keys) if one in chosen]
        return [i for i in range(len(names)) if i not in val], val

    return wrong


def _dropping(in_train, in_val):
    """Return an answer that keeps only the names for which the two functions are true."""

    def wrong(names, every):
        train, val = split_names(names, every)
        return [i for i in train if in_train(names[i])], [i for i in val if in_val(names[i])]

    return wrong


def _originals_only(names, every):
    """Choose originals; all their copies stay in training."""
    val = [i for i in split_names(names, every)[1] if _is_original(names[i])]
    return [i for i in range(len(names)) if i not in val], val


def _by_number(names, every):
    val = [i for i, name in enumerate(names) if int(_original(name).split("_")[1]) % every == 0]
    return [i for i in range(len(names)) if i not in val], val


def _of_lesions(names, every):
    count = len(set(map(_original, names)))
    return [i for i in range(count) if i % every], list(range(0, count, every))


def _by_threes(names, every):
    val = [i for i in range(len(names)) if i // 3 % every == 0]
    return [i for i in range(len(names)) if i not in val], val


def _sorted_first(names, every):
    return split_names(sorted(names), every)


def _by_prefix(names, every):
    chosen = list(dict.fromkeys(map(_original, names)))[::every]
    val = [i for i, name in enumerate(names) if name.startswith(tuple(chosen))]
    return [i for i in range(len(names)) if i not in val], val


def celebrate(answer):
    """Show a column per lesion and a square per file, white for validation, before and after the repair."""
    from segcourse.plotting import show_image

    names = [f"lesion_{number:02d}{copy}.png" for number in range(15) for copy in COPIES[:3]]
    panels = []
    for split in (starter, answer):
        side = np.full(len(names), 90, np.uint8)
        side[split(names, 5)[1]] = 255
        panels.append(side.reshape(15, 3).T.repeat(8, axis=0).repeat(8, axis=1))
    alt = (
        "Files as squares, a column per lesion: before the repair, white squares are spread over the columns."
    )
    show_image(panels, ["before your repair", "after your repair"], alt=alt)


EXERCISE = Exercise(
    split_names,
    number="10.9",
    difficulty=2,
    minutes=10,
    groups={SORTED: 1, MIXED: 1},
    cases=cases,
    observe=look,
    celebrate=celebrate,
    starter=starter,
    symptom="The symptom is still there: copies of one lesion are on both sides of the split.",
    mistakes=[
        (
            "You validate on original images, but their copies stay in training: the network has seen each "
            "of these lesions.",
            _originals_only,
        ),
        (
            "You leave the copies of the validation lesions out. All files of these lesions belong to "
            "validation.",
            _dropping(lambda name: True, _is_original),
        ),
        (
            "You leave all copies out, on both sides. They were made for training: keep each beside its "
            "original.",
            _dropping(_is_original, _is_original),
        ),
        (
            "You leave the copies of the training lesions out.",
            _dropping(_is_original, lambda name: True),
        ),
        (
            "You take everything before the first underscore for the lesion's name. That is `lesion` for "
            "all files, so all of them are one lesion.",
            _by(lambda name: name.split("_")[0]),
        ),
        (
            "You take everything before the last underscore for the lesion's name. An original has only one "
            "underscore, and a copy can have three.",
            _by(lambda name: name.rsplit("_", 1)[0]),
        ),
        (
            "You cut each name after its ninth character. The numbers have one digit or several, so a key "
            "can hold too much or too little.",
            _by(lambda name: name[:9]),
        ),
        (
            "You take each three neighbours for one lesion. A lesion can have any number of copies, and they "
            "can be anywhere in `names`.",
            _by_threes,
        ),
        (
            "A copy with two endings, `_flip_dark`, doesn't find its original. Cut behind the number, and "
            "every ending is gone.",
            _by(lambda name: name.replace("_dark", "").replace("_noise", "")),
        ),
        (
            "A copy that ends in `_dark` finds its original, and a copy with another ending doesn't.",
            _by(lambda name: name.replace("_dark", "")),
        ),
        (
            "Your indices count lesions. `names` holds files, and an index for each of them is asked for.",
            _of_lesions,
        ),
        (
            "You sort the names first, so your indices are those of the sorted list. Indices into `names` as "
            "it came are asked for.",
            _sorted_first,
        ),
        (
            "You compare names that end in `.png` for originals and not for copies, so no copy finds its "
            "original.",
            _by(lambda name: "_".join(name.split("_")[:2])),
        ),
        (
            "You search for names that begin like the original. `lesion_12` begins like `lesion_1`, and is "
            "another lesion.",
            _by_prefix,
        ),
        (
            "You choose by the number in the name. The lesions count in the order in which they first occur.",
            _by_number,
        ),
        (
            "You sort the lesions before you choose. They count in the order in which they first occur.",
            _by(_original, lambda originals, every: sorted(originals)[::every]),
        ),
        (
            "You begin with lesion number `every`. The first lesion is chosen, then every `every`-th after "
            "it.",
            _by(_original, lambda originals, every: originals[every - 1 :: every]),
        ),
        *(
            (
                "You choose the first lesions, as one block. The first one is chosen, then every `every`-th "
                "after it.",
                _by(_original, pick),
            )
            for pick in (
                lambda originals, every: originals[: len(originals) // every],
                lambda originals, every: originals[: -(-len(originals) // every)],
            )
        ),
        (
            "You exchanged the two lists: training comes first.",
            lambda names, every: split_names(names, every)[::-1],
        ),
    ],
)
