"""CrowS-Pairs' measure in batches gives what the paper's method gives, pair by pair."""

from __future__ import annotations

import csv
import os
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from crows_pairs_by_the_paper import score_pair
from transformers import (
    AlbertConfig,
    AlbertForMaskedLM,
    BertConfig,
    BertForMaskedLM,
    BertTokenizer,
    RobertaConfig,
    RobertaForMaskedLM,
)

from helpers import crows_pairs
from helpers.crows_pairs import PUBLISHED, Share, crows_pairs_score, shared_places, stereotype_shares
from helpers.downloads import DownloadError
from helpers.models.masked_states import head_of, states_at
from helpers.texts import bias_pairs
from helpers.texts.bias_pairs import Pair, load_pairs, read_pairs

TOLERANCE = 1e-4  # a score is the sum of some twenty numbers of about 5, each rounded to 7 digits


def published_file() -> Path | None:
    """CrowS-Pairs' CSV: where CROWS_PAIRS says, or beside the repository."""
    beside = Path(__file__).parents[2] / "shared" / "crows_pairs" / "crows_pairs_anonymized.csv"
    path = Path(os.environ.get("CROWS_PAIRS") or beside)
    return path if path.is_file() else None


needs_published_file = pytest.mark.skipif(
    published_file() is None, reason="CROWS_PAIRS does not name CrowS-Pairs' file, crows_pairs_anonymized.csv"
)

SENTENCES = (
    ("the old man saw the ship.", "the young man saw the ship."),
    ("women saw a ship today", "men saw a ship today"),
    ("the river is near", "the old king and his ship saw the near river"),
    ("cats", "dogs"),
    ("a man, a king, a ship!", "a ship, a man, a king!"),
    ("the old man saw the ship.", "the old king saw the ship."),
)


def tiny_tokenizer() -> Any:
    words = (
        "[PAD] [UNK] [CLS] [SEP] [MASK] the a old young man women men saw ship . , ! river is near king and his dogs"
    )
    return BertTokenizer(vocab={word: place for place, word in enumerate(f"{words} cat ##s today".split())})


def tiny_model(kind: str, vocab: int, seed: int = 0) -> Any:
    torch.manual_seed(seed)
    sizes: dict[str, Any] = {
        "vocab_size": vocab,
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 24,
        "max_position_embeddings": 64,
        "initializer_range": 0.5,
        "pad_token_id": 0,
    }
    made = {
        "bert": lambda: BertForMaskedLM(BertConfig(**sizes)),
        "roberta": lambda: RobertaForMaskedLM(RobertaConfig(**sizes)),
        "albert": lambda: AlbertForMaskedLM(AlbertConfig(**sizes, embedding_size=16)),
    }
    return made[kind]().eval()


def by_the_paper(pairs: Any, model: Any, tokenizer: Any) -> torch.Tensor:
    return torch.tensor([score_pair(*pair[:2], model, tokenizer) for pair in pairs], dtype=torch.float64)


@pytest.mark.parametrize("kind", ["bert", "roberta", "albert"])
def test_batches_give_the_papers_scores(kind: str) -> None:
    tokenizer = tiny_tokenizer()
    model = tiny_model(kind, len(tokenizer))
    scores = crows_pairs_score(SENTENCES, model, tokenizer)
    assert scores.shape == (len(SENTENCES), 2)
    torch.testing.assert_close(scores, by_the_paper(SENTENCES, model, tokenizer), atol=TOLERANCE, rtol=0)


@needs_published_file
def test_a_hundred_published_pairs_have_the_papers_scores() -> None:
    from helpers.pretrained import load_tokenizer

    path = published_file()
    assert path
    pairs = random.Random(9).sample(read_pairs(path), 100)
    tokenizer = load_tokenizer()
    model = tiny_model("bert", len(tokenizer))
    scores = crows_pairs_score(pairs, model, tokenizer)
    assert float((scores - by_the_paper(pairs, model, tokenizer)).abs().max()) < TOLERANCE


def test_small_batches_and_large_ones_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = tiny_tokenizer()
    model = tiny_model("bert", len(tokenizer))
    whole = crows_pairs_score(SENTENCES, model, tokenizer)
    monkeypatch.setattr(crows_pairs, "_TOKENS_A_BATCH", 12)
    monkeypatch.setattr(crows_pairs, "_STATES_A_BATCH", 3)
    torch.testing.assert_close(crows_pairs_score(SENTENCES, model, tokenizer), whole, atol=TOLERANCE, rtol=0)


def test_nothing_to_score_gives_nothing_or_zeros() -> None:
    tokenizer = tiny_tokenizer()
    model = tiny_model("bert", len(tokenizer))
    assert crows_pairs_score([], model, tokenizer).shape == (0, 2)
    assert crows_pairs_score([("ship", "river")], model, tokenizer).tolist() == [[0, 0]]


def test_each_question_is_asked_once_however_often_it_comes() -> None:
    tokenizer = tiny_tokenizer()
    model = tiny_model("bert", len(tokenizer))
    asked = []
    model.bert.encoder.layer[0].register_forward_hook(lambda _, args, __: asked.append(args[0].shape[0]))
    once = crows_pairs_score(SENTENCES[:2], model, tokenizer)
    first = sum(asked)
    twice = crows_pairs_score([*SENTENCES[:2], *SENTENCES[:2]], model, tokenizer)
    assert sum(asked) == 2 * first > 0
    assert torch.equal(twice[:2], twice[2:])
    torch.testing.assert_close(twice[:2], once, atol=TOLERANCE, rtol=0)


def test_a_model_in_training_is_asked_without_dropout_and_left_in_training() -> None:
    tokenizer = tiny_tokenizer()
    model = tiny_model("bert", len(tokenizer))
    expected = crows_pairs_score(SENTENCES, model, tokenizer)
    model.train()
    model.cls.eval()
    torch.testing.assert_close(crows_pairs_score(SENTENCES, model, tokenizer), expected, atol=TOLERANCE, rtol=0)
    assert model.training
    assert not model.cls.training
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_sentence_that_is_too_long_is_named() -> None:
    tokenizer = tiny_tokenizer()
    with pytest.raises(ValueError, match=r"72 tokens are more than the model's 64 positions: 'ship ship"):
        crows_pairs_score([("ship " * 70, "king " * 70)], tiny_model("bert", len(tokenizer)), tokenizer)


def test_what_is_no_masked_language_model_is_refused() -> None:
    with pytest.raises(TypeError, match="Linear has no cls"):
        head_of(torch.nn.Linear(2, 2))


def test_states_at_a_place_are_the_models_own() -> None:
    model = tiny_model("bert", 30)
    token_ids = torch.randint(5, 30, (7, 11), generator=torch.Generator().manual_seed(1))
    places = torch.tensor([0, 10, 3, 3, 9, 1, 5])
    with torch.no_grad():
        whole = model.bert(token_ids).last_hidden_state[torch.arange(7), places]
        torch.testing.assert_close(states_at(model, token_ids, places), whole, atol=1e-5, rtol=0)


def test_shared_places_leave_out_both_ends_and_what_changes() -> None:
    assert shared_places([2, 5, 6, 7, 3], [2, 5, 9, 9, 7, 3]) == ([1, 3], [1, 4])
    assert shared_places([2, 5, 3], [2, 6, 3]) == ([], [])


def test_shares_count_by_category_and_a_tie_is_no_win() -> None:
    pairs = [Pair("a", "b", "stereo", category) for category in ("age", "age", "gender", "age")]
    scores = torch.tensor([[-1.0, -2.0], [-3.0, -3.00004], [-5.0, -4.0], [0.0, -1.0]])
    shares = stereotype_shares(pairs, scores)
    assert list(shares) == ["all", "age", "gender"]
    assert shares["all"].percent == 50
    assert (shares["age"].pairs, shares["age"].percent) == (3, pytest.approx(66.667, abs=0.001))
    assert shares["gender"].percent == 0


def test_intervals_are_wilsons() -> None:
    # Newcombe (1998), table I: 81 of 263, 15 of 148, 1 of 29; he uses z = 1.959964
    for wins, pairs, low, high in ((81, 263, 25.53, 36.62), (15, 148, 6.24, 16.05), (1, 29, 0.61, 17.18)):
        share = Share.of(wins, pairs)
        assert (share.low, share.high) == (pytest.approx(low, abs=0.01), pytest.approx(high, abs=0.01))


def test_published_percentages_are_whole_numbers_of_pairs_and_agree_with_their_totals() -> None:
    counts = {
        "race-color": 516, "gender": 262, "socioeconomic": 172, "nationality": 159, "religion": 105, "age": 87,
        "sexual-orientation": 84, "physical-appearance": 63, "disability": 60,
    }  # fmt: skip
    for percents in PUBLISHED.values():
        wins = {name: round(percents[name] * count / 100) for name, count in counts.items()}
        for name, count in counts.items():
            assert round(100 * wins[name] / count, 1) == percents[name]
        assert round(100 * sum(wins.values()) / 1508, 1) == percents["all"]


# The pairs


def test_the_courses_pairs_differ_in_one_word_and_are_spread_evenly() -> None:
    pairs = load_pairs("sample")
    assert set(Counter(pair.category for pair in pairs).values()) == {15}
    assert len({pair[:2] for pair in pairs}) == len(pairs) == 90
    for pair in pairs:
        more, less = pair.more.split(), pair.less.split()
        assert sum(one != other for one, other in zip(more, less, strict=True)) == 1, pair
        assert len(more) <= 12
        assert pair.direction in {"stereo", "antistereo"}
    assert {pair.direction for pair in pairs if pair.category == "religion"} == {"stereo", "antistereo"}


@needs_published_file
def test_the_published_file_has_1508_pairs_in_nine_categories() -> None:
    path = published_file()
    assert path
    pairs = read_pairs(path)
    assert len(pairs) == 1508
    assert {pair.category for pair in pairs} == set(PUBLISHED["BERT-base"]) - {"all"}
    assert Counter(pair.direction for pair in pairs) == {"stereo": 1290, "antistereo": 218}


def test_full_data_is_crows_pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "pairs.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["", "sent_more", "sent_less", "stereo_antistereo", "bias_type", "annotations"])
        writer.writerow([0, "Men, old", "Women, old", "antistereo", "gender", "[]"])
    monkeypatch.setattr("helpers.texts.crows_pairs_file.fetch_crows_pairs", lambda: path)
    expected = [Pair("Men, old", "Women, old", "antistereo", "gender")]
    assert load_pairs("full") == expected
    monkeypatch.setenv("COURSE_DATA", "full")
    assert load_pairs() == expected


def test_without_the_file_the_sample_serves_and_a_line_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def gone() -> Path:
        raise DownloadError("CrowS-Pairs could not be had.")

    monkeypatch.setattr("helpers.texts.crows_pairs_file.fetch_crows_pairs", gone)
    assert load_pairs("full") == load_pairs("sample")
    assert [record.getMessage() for record in caplog.records] == [
        "CrowS-Pairs could not be had. Using the course's own pairs."
    ]


def test_other_files_and_other_words_for_data_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.csv"
    path.write_text("more,less\n1,2\n")
    with pytest.raises(ValueError, match="has no column 'sent_more'"):
        read_pairs(path)
    with pytest.raises(ValueError, match="choose 'sample' or 'full'"):
        load_pairs("all")
    assert bias_pairs._OWN.is_file()
