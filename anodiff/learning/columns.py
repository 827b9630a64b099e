"""What do learning.zarr, learning.csv and learning_windows.csv hold?"""

from __future__ import annotations

from anodiff.diffusion.intervals import interval_columns
from anodiff.storage.columns import COUNT, LOSS, OPTIMISER_STEPS, TEXT, Column

KIND = "anodiff learning"
VERSION = 1

#: Sorts of curves.
ALL, MODE, CLASS, GROUP, PROBE = SORTS = ("all", "mode", "class", "group", "probe")

#: The laws that are fitted to a curve. The first three are sigmoids in time: what one mode of a two-layer network follows
#: under each loss. The last is what a linear model, or a network that only moves a little, follows.
CROSS_ENTROPY, HINGE, LOGISTIC, EXPONENTIAL = LAWS = ("cross_entropy", "hinge", "logistic", "exponential")

#: Normalised values between which a curve is in transition.
TRANSITION = (0.1, 0.9)

#: Arrays of learning.zarr: dimensions, type, meaning. A curve is 0 at the first recorded step and 1 where all is learned.
ARRAYS = {
    "step": (("point",), "int64", "optimiser step of the point"),
    "train_index": (("train_sample",), "int64", "number of the sample in the training set"),
    "train_label": (("train_sample",), "int64", "class that it was trained as"),
    "train_margin": (("point", "train_sample"), "float32", "output of its class minus the largest other one"),
    "train_loss": (("point", "train_sample"), "float32", "loss of the sample"),
    "train_learning_time": (("train_sample",), "float64", "step from which on it is classified rightly, for good"),
    "train_forgetting": (("train_sample",), "int64", "how often it went from right to wrong between two points"),
    "test_index": (("test_sample",), "int64", "number of the sample in the test set"),
    "test_label": (("test_sample",), "int64", "its class"),
    "test_margin": (("point", "test_sample"), "float32", "output of its class minus the largest other one"),
    "test_loss": (("point", "test_sample"), "float32", "loss of the sample"),
    "singular_value": (("mode",), "float64", "singular values of the correlation between inputs and classes, falling"),
    "input_mode": (("mode", "pixel"), "float64", "their directions among the inputs, of length 1"),
    "output_mode": (("mode", "class"), "float64", "their directions among the classes, of length 1"),
    "curve": (("point", "curve"), "float64", "normalised learning curve"),
    "curve_low": (("point", "curve"), "float64", "its 95 % interval over samples, lower end"),
    "curve_high": (("point", "curve"), "float64", "its 95 % interval over samples, upper end"),
    "curve_fitted": (("point", "curve"), "float64", "the law that fits best"),
}

#: Columns of learning.csv, a row for each curve in the order of the store.
CURVE_COLUMNS = {
    "curve": Column("what is learned: all; mode 1, mode 2 …; class 0, class 1 …; a group or a probe by its name", TEXT),
    "sort": Column("all, mode, class, group or probe", TEXT),
    "split": Column("train or test: the samples that it is measured on", TEXT),
    "samples": Column("number of these samples", COUNT),
    "strength": Column("singular value of a mode; of a class or group the norm of its mean input from that of all"),
    "frequency": Column("share of a class or group among the training samples"),
    **interval_columns("learning_time", "first lasting crossing of a half; missing if it is not learned", OPTIMISER_STEPS),
    "width": Column("steps from 10 % to 90 %, both lasting", OPTIMISER_STEPS),
    "final": Column("normalised curve at the last point; 1 where all is learned"),
    "law": Column("law that fits best: cross_entropy, hinge, logistic or exponential", TEXT),
    "law_weight": Column("its Akaike weight among the four"),
    "sigmoid_advantage": Column("AICc of the exponential minus that of the best sigmoidal law; above 6 a sigmoid fits better"),
    "rate": Column("fitted rate of the best law", "1/step"),
    "misfit": Column("root mean squared residual of the best law, in units of the curve"),
    "forgetting": Column("mean number of forgetting events of its samples, between points"),
    "accuracy": Column("share of its samples that are right at the last point; missing for modes"),
    "mean_loss": Column("their mean loss at the last point; missing for modes", LOSS),
    "note": Column("why a value is missing", TEXT),
}

#: Columns of learning_windows.csv, a row for each window.
LEARNING_WINDOW_COLUMNS = {
    "window": Column("number of the window", COUNT),
    "waiting_time": Column("step of its first point", OPTIMISER_STEPS),
    "length": Column("steps from its first point to its last", OPTIMISER_STEPS),
    "modes_in_transition": Column("number of modes that are between 10 % and 90 % within the window", COUNT),
    "classes_in_transition": Column("number of classes that are", COUNT),
    "learned": Column("sum over modes of how far their normalised curves rise within the window"),
    "mode_share": Column(
        "share of the squared displacement in the span of the gradients, at its first point, of the modes in transition"
    ),
    "mode_share_chance": Column("the share of a random direction: the number of these gradients over that of parameters"),
    "first_order": Column(
        "rise of these modes that their gradients at the first point predict from the displacement, over their rise"
    ),
    "note": Column("why a value is missing", TEXT),
}
