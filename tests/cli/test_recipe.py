from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from cli.experiment import experiment_options, experiment_to_run
from keras_sister.config import FROZEN_LINEAR, RECIPES, Experiment
from keras_sister.errors import InputError


def experiment_of(*arguments: str, base: Experiment | None = None) -> Experiment:
    made: list[Experiment] = []

    @click.command()
    @experiment_options
    @click.pass_context
    def command(context: click.Context, **settings: object) -> None:
        made.append(experiment_to_run(context, Path("nowhere"), resume=False, base=base))

    result = CliRunner().invoke(command, arguments, standalone_mode=False)
    if result.exception:
        raise result.exception
    return made[0]


def test_a_recipe_gives_way_to_what_is_asked_for(tmp_path):
    assert experiment_of() == experiment_of("--recipe", "paper") == Experiment()
    modern = experiment_of("--recipe", "modern")
    assert modern == Experiment(**RECIPES["modern"])
    config = tmp_path / "mine.yaml"
    config.write_text("learning_rate: 0.01\ntower_rate: 0.5\n")
    mixed = experiment_of("--tower-rate", "0.2", "--recipe", "modern", "--config", str(config))
    assert (mixed.learning_rate, mixed.tower_rate, mixed.warm_up_epochs) == (0.01, 0.2, 2)
    assert experiment_of("--recipe", "paper", base=Experiment(**RECIPES["modern"], seed=3)) == Experiment(seed=3)


def test_recipes_leave_out_fine_tuning_where_towers_are_frozen():
    head = experiment_of("--recipe", "modern", "--trainable", "head")
    assert (head.learning_rate, head.warm_up_epochs, head.tower_rate) == (1e-3, 0, 1)
    assert experiment_of("--recipe", "modern", base=Experiment(trainable="head")) == head


def test_the_recipe_for_frozen_towers_trains_the_head_alone():
    frozen = experiment_of("--recipe", "frozen")
    assert frozen == Experiment(**RECIPES["frozen"])
    assert frozen.is_one_pass
    of_sister_b = experiment_of("--recipe", "frozen", "--system", "sister_b")
    linear = {"standardize": False, "epochs": 5, "learning_rate": 0.015}
    assert of_sister_b == Experiment(system="sister_b", **{**RECIPES["frozen"], **linear})
    assert experiment_of("--recipe", "frozen", "--system", "sister_b", "--epochs", "8").epochs == 8
    with pytest.raises(InputError, match=r"a head of 1,024 units, which sister_b has not"):
        experiment_of("--recipe", "frozen", "--system", "sister_b", "--standardize")
    for other in (("--flip-average",), ("--average-weights", "0.9"), ("--trainable", "all")):
        assert not experiment_of("--recipe", "frozen", *other).standardize
    with pytest.raises(InputError, match=r"standardize goes with trainable: head"):
        experiment_of("--standardize")


def test_a_recipe_of_another_system_is_taken_over_as_it_is_for_the_own():
    frozen = {name: {**RECIPES["frozen"], "system": name, "seed": 3} for name in ("baseline", "twin", "sister_b")}
    frozen["sister_b"] |= FROZEN_LINEAR
    for begun, other in (("sister_b", "twin"), ("twin", "sister_b"), ("baseline", "twin")):
        base = Experiment(**frozen[begun])
        assert experiment_of("--system", other, base=base) == Experiment(**frozen[other])
        assert experiment_of("--system", other, "--epochs", "8", base=base).epochs == 8
    alone = Experiment(**frozen["twin"] | {"standardize": False, "flip_average": True})
    assert experiment_of("--system", "sister_b", base=alone).learning_rate == FROZEN_LINEAR["learning_rate"]
    assert not experiment_of("--system", "twin", "--flip-average", base=Experiment(**frozen["sister_b"])).standardize
    all_trained = experiment_of("--system", "twin", "--trainable", "all", base=Experiment(**frozen["sister_b"]))
    assert (all_trained.epochs, all_trained.learning_rate) == (5, 1e-5)
    plain = Experiment(system="sister_b", trainable="head")  # by no recipe
    assert experiment_of("--system", "twin", base=plain) == Experiment(system="twin", trainable="head")


def test_a_recipe_of_another_system_with_other_options_is_asked_for_again():
    changed = Experiment(system="sister_b", **RECIPES["frozen"] | FROZEN_LINEAR | {"epochs": 8})
    with pytest.raises(InputError, match=r"sister_b has the settings of --recipe frozen but for epochs.*add --recipe"):
        experiment_of("--system", "twin", base=changed)
    again = experiment_of("--system", "twin", "--recipe", "frozen", "--epochs", "8", base=changed)
    assert again == Experiment(system="twin", **RECIPES["frozen"] | {"epochs": 8})
    as_it_is = experiment_of("--system", "twin", "--no-standardize", base=changed)
    assert (as_it_is.standardize, as_it_is.learning_rate) == (False, FROZEN_LINEAR["learning_rate"])


def test_the_learning_rate_of_other_weights_is_not_taken_over():
    assert experiment_of("--trainable", "head", base=Experiment(seed=3)) == Experiment(trainable="head", seed=3)
    assert experiment_of("--trainable", "all", base=Experiment(trainable="head")).learning_rate == 1e-5
    assert experiment_of("--seed", "1", base=Experiment(learning_rate=0.02)).learning_rate == 0.02


def test_both_recipes_of_fine_tuning_set_the_same_settings():
    assert set(RECIPES["paper"]) == set(RECIPES["modern"])


@pytest.mark.parametrize("base", [None, Experiment(trainable="head")])
def test_batch_norm_of_frozen_towers_cannot_be_trained(base):
    with pytest.raises(InputError, match=r"--batch-norm train.*--trainable head"):
        experiment_of("--batch-norm", "train", *(() if base else ("--trainable", "head")), base=base)
