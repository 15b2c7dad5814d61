"""What `segcourse fit` does: a recipe, the data, the augmentation that suits it, and a whole training run."""

from segcourse.recipes.augmentation import augment_of as augment_of
from segcourse.recipes.plan import Recipe as Recipe
from segcourse.recipes.plan import changed as changed
from segcourse.recipes.plan import find_recipe as find_recipe
from segcourse.recipes.plan import is_import_path as is_import_path
from segcourse.recipes.plan import recipe as recipe
from segcourse.recipes.settings import claim as claim
from segcourse.recipes.settings import meaning_of as meaning_of
from segcourse.recipes.settings import read_settings as read_settings
from segcourse.recipes.sources import datasets as datasets
from segcourse.recipes.training import print_epoch as print_epoch
from segcourse.recipes.training import report as report
from segcourse.recipes.training import train as train
