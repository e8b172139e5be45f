"""The training loop: each number it reports is what it says, and each argument does something."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from helpers.batches import make_loader
from helpers.reports import training as training_report
from helpers.reports.training import plot_history
from helpers.training import History, evaluate, train

pytestmark = pytest.mark.precision


class Pooled(nn.Module):
    """The smallest model that reads batches of text: the mean of the words' embeddings, and dropout when asked."""

    def __init__(self, num_classes: int = 3, dropout: float = 0.0) -> None:
        super().__init__()
        self.embed = nn.Embedding(20, 8)
        self.dropout = nn.Dropout(dropout)
        self.classify = nn.Linear(8, num_classes)

    def forward(self, token_ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        weights = mask[..., None].float()
        return self.classify(self.dropout((self.embed(token_ids) * weights).sum(1) / weights.sum(1)))


TEXTS = [[5 * (place % 3) + place % 5] * (1 + place % 7) for place in range(50)]
LABELS = [place % 3 for place in range(50)]


def texts_loader(seed: int | None = 1, **options: Any) -> DataLoader:
    return make_loader(TEXTS, LABELS, **{"num_classes": 3, "pad_id": 0, "batch_size": 16, "seed": seed, **options})


def rows_loader(count: int = 40, batch_size: int = 16, width: int = 4) -> DataLoader:
    """Batches that are tuples, in order, the last one smaller."""
    generator = torch.Generator().manual_seed(5)
    rows = torch.randn(count, width, generator=generator)
    return DataLoader(TensorDataset(rows, torch.arange(count) % 3), batch_size=batch_size)


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)  # on a busy machine, a second thread makes such small steps many times slower


def test_it_learns() -> None:
    model = Pooled()
    history = train(model, texts_loader(), texts_loader(None), epochs=15, learning_rate=0.1, device="cpu")
    assert history.test_accuracy[-1] == 1.0
    assert history.train_loss[-1] < 0.1 < history.train_loss[0]


def test_steps_are_adamw_s_with_both_penalties() -> None:
    """Against the update written out from the paper (Loshchilov & Hutter, algorithm 2), in double precision."""
    rate, decay, l1 = 0.01, 0.3, 0.02
    model = nn.Linear(4, 3).double()
    values = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    batches = [(rows.double(), labels) for rows, labels in rows_loader()]
    train(model, batches, epochs=2, learning_rate=rate, weight_decay=decay, l1_penalty=l1, device="cpu")  # type: ignore[arg-type]

    first = {name: torch.zeros_like(value) for name, value in values.items()}
    second = {name: torch.zeros_like(value) for name, value in values.items()}
    step = 0
    for _ in range(2):
        for rows, labels in batches:
            step += 1
            # The gradient of cross-entropy with respect to the logits is softmax minus one-hot, over the batch size.
            logits = rows @ values["weight"].T + values["bias"]
            error = (logits.softmax(-1) - F.one_hot(labels, 3)) / len(labels)
            slopes = {"weight": error.T @ rows, "bias": error.sum(0)}
            for name, value in values.items():
                slope = slopes[name] + l1 * value.sign()
                first[name] = 0.9 * first[name] + 0.1 * slope
                second[name] = 0.999 * second[name] + 0.001 * slope**2
                size = (second[name] / (1 - 0.999**step)).sqrt() + 1e-8
                values[name] = value - rate * (first[name] / (1 - 0.9**step) / size + decay * value)
    for name, parameter in model.named_parameters():
        assert torch.allclose(parameter, values[name], atol=1e-10), name  # double precision, six steps


@pytest.mark.parametrize("penalty", [{"weight_decay": 0.5}, {"l1_penalty": 0.01}], ids=["L2", "L1"])
def test_penalties_make_weights_smaller(penalty: dict[str, float]) -> None:
    sizes = []
    for options in ({}, penalty):
        torch.manual_seed(0)
        model = nn.Linear(4, 3)
        train(model, rows_loader(), epochs=30, learning_rate=0.05, device="cpu", **options)  # type: ignore[arg-type]
        sizes.append(float(model.weight.detach().abs().sum()))
    assert sizes[1] < 0.8 * sizes[0]


def test_reported_losses_leave_the_penalty_out() -> None:
    with_penalty, without = (
        train(still(nn.Linear(4, 3)), rows_loader(), epochs=1, learning_rate=0.0, l1_penalty=penalty, device="cpu")
        for penalty in (100.0, 0.0)
    )
    assert with_penalty.train_loss == without.train_loss


def still(model: nn.Module) -> nn.Module:
    """Give each model the same parameters."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.linspace(-1, 1, parameter.numel()).view_as(parameter))
    return model


def test_an_epoch_s_loss_is_the_mean_over_its_texts() -> None:
    """Of 40 rows the last batch has 8: the mean of the batches' means would be another number, the last one's too."""
    model = still(nn.Linear(4, 3))
    history = train(model, rows_loader(), rows_loader(), epochs=2, learning_rate=0.0, device="cpu")
    rows, labels = (torch.cat(parts) for parts in zip(*rows_loader(), strict=True))
    probabilities = model(rows).softmax(-1).detach().numpy()
    expected = log_loss(labels, probabilities)
    assert history.train_loss == pytest.approx([expected, expected], abs=1e-5)  # single precision
    assert history.test_loss == pytest.approx([expected, expected], abs=1e-5)
    assert abs(np.mean(history.batch_loss) - expected) > 1e-3
    assert abs(history.batch_loss[-1] - expected) > 1e-3
    accuracy = (probabilities.argmax(-1) == labels.numpy()).mean()
    assert history.test_accuracy == pytest.approx([accuracy, accuracy])


class Watched(nn.Module):
    """Notes how it was called."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 3)
        self.calls: list[tuple[bool, bool]] = []

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        self.calls.append((self.training, torch.is_grad_enabled()))
        return self.linear(rows)


def test_testing_is_done_in_evaluation_mode_without_gradients() -> None:
    model = Watched().eval()
    train(model, rows_loader(), rows_loader(), epochs=2, device="cpu")
    assert model.calls == 2 * (3 * [(True, True)] + 3 * [(False, False)])


def test_each_part_of_the_model_is_left_in_its_own_mode() -> None:
    model = Pooled(dropout=0.5)
    model.train()
    model.dropout.eval()
    evaluate(model, texts_loader(), "cpu")
    assert (model.training, model.embed.training, model.dropout.training) == (True, True, False)
    train(model, texts_loader(), texts_loader(), epochs=1, device="cpu")
    assert (model.training, model.embed.training, model.dropout.training) == (True, True, False)


def test_history_is_of_one_kind_with_and_without_test_data() -> None:
    for loader, kind in ((None, type(None)), (texts_loader(None), float)):
        history = train(Pooled(), texts_loader(), loader, epochs=3, device="cpu")
        assert isinstance(history, History)
        assert len(history.train_loss) == len(history.test_loss) == len(history.test_accuracy) == 3
        assert {type(entry) for entry in history.test_loss + history.test_accuracy} == {kind}
        assert len(history.seconds) == 3
        assert len(history.batch_loss) == 3 * history.batches_per_epoch == 3 * len(texts_loader())
        assert not history.interrupted


def test_frozen_parameters_stay_as_they_are() -> None:
    model = Pooled()
    model.embed.requires_grad_(False)
    before = model.embed.weight.detach().clone()
    train(model, texts_loader(), epochs=2, learning_rate=0.1, weight_decay=0.5, l1_penalty=0.1, device="cpu")
    assert torch.equal(model.embed.weight, before)


@pytest.mark.parametrize("num_workers", [1, 2])
def test_same_seed_gives_the_same_losses_with_any_number_of_workers(num_workers: int) -> None:
    found = []
    for workers in (0, num_workers):
        torch.manual_seed(7)
        loader = texts_loader(num_workers=workers)
        found.append(train(Pooled(dropout=0.3), loader, epochs=2, device="cpu").batch_loss)
    assert found[0] == found[1]


# ---- what is reported


def test_a_line_every_fifty_batches_and_the_mean_after_each_epoch(capsys: pytest.CaptureFixture[str]) -> None:
    history = train(nn.Linear(4, 3), rows_loader(120, 1), rows_loader(9, 4), epochs=2, device="cpu")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "epoch 1, batch 50 of 120", "epoch 1, batch 100 of 120", "epoch 1 of 2",
        "epoch 2, batch 50 of 120", "epoch 2, batch 100 of 120", "epoch 2 of 2",
    ]  # fmt: skip
    assert f"loss {np.mean(history.batch_loss[50:100]):.3f} (mean of the last 50 batches)" in lines[1]
    assert f"loss {np.mean(history.batch_loss[120:170]):.3f} " in lines[3]
    assert lines[5] == (
        f"epoch 2 of 2: mean training loss {history.train_loss[1]:.3f}, test loss {history.test_loss[1]:.3f}, "
        f"test accuracy {history.test_accuracy[1]:.3f}"
    )


def test_without_test_data_no_test_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    train(nn.Linear(4, 3), rows_loader(), epochs=1, device="cpu")
    assert re.fullmatch(r"epoch 1 of 1: mean training loss \d\.\d{3}\n", capsys.readouterr().out)


def test_bar_has_a_total_and_the_running_loss(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    monkeypatch.setenv("TQDM_MININTERVAL", "0")
    history = train(nn.Linear(4, 3), rows_loader(), epochs=2, learning_rate=0.1, device="cpu")
    bar = capsys.readouterr().err
    assert "6/6" in bar
    assert f"epoch 2 of 2, loss {history.train_loss[1]:.3f}" in bar


class Writer:
    """Takes what TensorBoard's writer takes."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, float, int]] = []

    def add_scalar(self, tag: str, scalar_value: float, global_step: int) -> None:
        self.entries.append((tag, scalar_value, global_step))


def test_writer_gets_the_numbers_of_the_history() -> None:
    writer = Writer()
    history = train(nn.Linear(4, 3), rows_loader(), rows_loader(), epochs=2, device="cpu", writer=writer)  # type: ignore[arg-type]
    found: dict[str, list[float]] = {}
    for tag, value, step in writer.entries:
        found.setdefault(tag, []).append(value)
        assert step == len(found[tag])
    assert found == {
        "loss/batch": history.batch_loss,
        "loss/train": history.train_loss,
        "loss/test": history.test_loss,
        "accuracy/test": history.test_accuracy,
    }


def test_writer_of_tensorboard_is_called_as_it_is_made() -> None:
    # Read, not imported: torch brings this module, but not the package that it imports.
    writer = ast.parse((Path(torch.__file__).parent / "utils/tensorboard/writer.py").read_text("utf-8"))
    functions = [node for node in ast.walk(writer) if isinstance(node, ast.FunctionDef) and node.name == "add_scalar"]
    names = [argument.arg for argument in functions[0].args.args]
    assert names[:4] == ["self", "tag", "scalar_value", "global_step"]


def test_picture_shows_training_and_test_loss_over_epochs() -> None:
    history = train(nn.Linear(4, 3), rows_loader(), rows_loader(), epochs=3, learning_rate=0.1, device="cpu")
    (ax,) = plot_history(history).axes
    training, test = ax.get_lines()
    assert list(training.get_ydata()) == history.batch_loss
    assert list(training.get_xdata()) == pytest.approx([(number + 0.5) / 3 for number in range(9)])
    assert (list(test.get_xdata()), list(test.get_ydata())) == ([1, 2, 3], history.test_loss)
    assert ax.get_xlim() == (0, 3)


def test_picture_of_a_long_training_is_smoothed_and_loses_nothing() -> None:
    history = History(batch_loss=[float(number) for number in range(1001)], batches_per_epoch=400)
    (ax,) = plot_history(history, epochs=4).axes
    (line,) = ax.get_lines()
    assert len(line.get_ydata()) <= 100
    assert line.get_ydata()[0] == pytest.approx(np.mean(range(11)))
    assert line.get_xdata()[-1] <= 1001 / 400
    assert ax.get_xlim() == (0, 4)
    with pytest.raises(ValueError, match="not a single batch"):
        plot_history(History())


class Notebook:
    """A live notebook, as IPython shows itself, that keeps the pictures it is given."""

    kernel = object()

    def __init__(self) -> None:
        self.shown: list[str] = []

    def display(self, figure: Any, display_id: bool) -> Notebook:
        self.shown.append("new")
        return self

    def update(self, figure: Any) -> None:
        self.shown.append("updated")


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Notebook]:
    import IPython
    import IPython.display

    shown = Notebook()
    monkeypatch.setattr(IPython, "get_ipython", lambda: shown)
    monkeypatch.setattr(IPython.display, "display", shown.display)
    monkeypatch.setattr("helpers.plots.style._show_figures_as_pictures", lambda: None)
    monkeypatch.delenv("COURSE_OFFLINE", raising=False)
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    return shown


def test_one_picture_grows_in_a_live_notebook(notebook: Notebook) -> None:
    train(nn.Linear(4, 3), rows_loader(), epochs=3, device="cpu")
    assert notebook.shown == ["new", "updated", "updated"]


@pytest.mark.parametrize("variable", ["COURSE_OFFLINE", "TQDM_DISABLE"])
def test_no_picture_grows_where_nobody_watches(
    notebook: Notebook, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "1")
    train(nn.Linear(4, 3), rows_loader(), epochs=2, device="cpu")
    assert notebook.shown == []


def test_no_picture_in_plain_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_report, "plot_history", lambda *_: pytest.fail("a picture was drawn"))
    train(nn.Linear(4, 3), rows_loader(), epochs=1, device="cpu")


# ---- evaluation


def test_predictions_match_texts_however_the_loader_orders_them() -> None:
    model = Pooled()
    token_ids = [torch.tensor([text]) for text in TEXTS]
    expected = [int(model(ids, torch.ones_like(ids, dtype=torch.bool)).argmax()) for ids in token_ids]
    for seed in (None, 1, 2):
        _, accuracy, predictions = evaluate(model, texts_loader(seed), "cpu")
        assert predictions.tolist() == expected
        assert accuracy == np.mean(np.array(expected) == LABELS)


def test_predictions_of_plain_rows_keep_their_order() -> None:
    model = nn.Linear(4, 3)
    rows = torch.cat([rows for rows, _ in rows_loader()])
    assert torch.equal(evaluate(model, rows_loader(), "cpu").predictions, model(rows).argmax(-1))


# ---- when things go wrong


class Stops(nn.Linear):
    """Is interrupted in one of its forward passes, as Ctrl-C would."""

    def __init__(self, at: int) -> None:
        super().__init__(4, 3)
        self.left = at

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt
        return super().forward(rows)


@pytest.mark.parametrize(("at", "batches"), [(1, 0), (9, 5), (5, 3)], ids=["first batch", "training", "testing"])
def test_an_interrupt_keeps_what_was_learned(at: int, batches: int, capsys: pytest.CaptureFixture[str]) -> None:
    model = Stops(at).eval()
    before = model.weight.detach().clone()
    history = train(model, rows_loader(), rows_loader(), epochs=3, device="cpu")
    assert history.interrupted
    assert len(history.batch_loss) == batches
    assert len(history.train_loss) == len(history.test_loss) == len(history.seconds) == (1 if at == 9 else 0)
    assert f"Stopped after {batches} batches" in capsys.readouterr().out
    assert not model.training
    assert torch.equal(model.weight, before) == (batches == 0)
    assert evaluate(model, rows_loader(), "cpu").predictions.shape == (40,)


def test_a_loss_that_is_no_number_stops_the_training_before_it_does_harm() -> None:
    rows = torch.randn(6, 4)
    rows[4] = math.nan
    loader = DataLoader(TensorDataset(rows, torch.zeros(6, dtype=torch.long)), batch_size=2)
    model = nn.Linear(4, 3).eval()
    with pytest.raises(FloatingPointError, match=r"nan in epoch 1, batch 3.*learning rate \(0\.5\)"):
        train(model, loader, epochs=1, learning_rate=0.5, device="cpu")
    assert model.weight.isfinite().all()
    assert not model.training


@pytest.mark.parametrize("label", [3, -1])
def test_a_label_without_a_logit_is_named(label: int) -> None:
    loader = DataLoader(TensorDataset(torch.randn(4, 4), torch.tensor([0, label, 1, 2])), batch_size=4)
    for attempt in (lambda: train(nn.Linear(4, 3), loader, epochs=1, device="cpu"),
                    lambda: evaluate(nn.Linear(4, 3), loader, "cpu")):  # fmt: skip
        with pytest.raises(ValueError, match=f"label {label}, but the model's 3 classes have the labels 0 to 2"):
            attempt()


def test_logits_of_another_shape_are_an_error() -> None:
    with pytest.raises(ValueError, match=r"\(16, 2, 2\) for 16 labels"):
        evaluate(nn.Unflatten(1, (2, 2)), rows_loader(), "cpu")


def test_nothing_to_do_is_an_error() -> None:
    with pytest.raises(ValueError, match="epochs is 0"):
        train(nn.Linear(4, 3), rows_loader(), epochs=0, device="cpu")
    with pytest.raises(ValueError, match="nothing to train on"):
        train(nn.Linear(4, 3), [], epochs=1, device="cpu")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="nothing to test on"):
        evaluate(nn.Linear(4, 3), [], "cpu")  # type: ignore[arg-type]
