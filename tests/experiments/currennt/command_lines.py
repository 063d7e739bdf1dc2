"""Command lines of trainings, in the folder that the fixture `here` makes."""

TRAIN = ["--network", "nets/lstm54.jsn", "--cuda", "false", "--random_seed", "1"]
TRAIN += ["--train", "true", "--train_file", "data/train7.nc"]
STOCHASTIC = [*TRAIN, "--stochastic", "true", "--learning_rate", "1e-3"]
FORWARD = ["--network", "nets/lstm54.jsn", "--ff_input_file", "data/train7.nc"]


def text_of(capsys) -> str:
    return capsys.readouterr().out
