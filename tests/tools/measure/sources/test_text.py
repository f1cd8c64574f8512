import json
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from shipfit.contracts import DataError, Preprocess
from shipfit.tools.measure.sources import read_source
from shipfit.tools.measure.sources.sample import Wanted
from shipfit.tools.measure.synthesize import InputSpec

WORDS = {"[PAD]": 7, "[CLS]": 1, "[SEP]": 2, "[UNK]": 0, "good": 3, "bad": 4, "film": 5}


@pytest.fixture
def tokenizer(tmp_path: Path) -> Path:
    """A tokenizer of seven words, in the file that the library writes."""
    made = Tokenizer(models.WordLevel(WORDS, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.BertProcessing(("[SEP]", 2), ("[CLS]", 1))
    path = tmp_path / "tokenizer.json"
    made.save(str(path))
    return path


def ids(*names: str, length: int | str = "t") -> tuple[InputSpec, ...]:
    return tuple(InputSpec(name, np.dtype(np.int64), ("n", length)) for name in names)


def read(path: Path, tokenizer: Path, specs: tuple[InputSpec, ...], **given):
    return list(read_source(str(path), Wanted(specs, preprocess=Preprocess(tokenizer=str(tokenizer), **given))))


BERT = ids("input_ids", "attention_mask", "token_type_ids")


def test_lines_of_text(tmp_path: Path, tokenizer: Path):
    (tmp_path / "texts.txt").write_text("good film\n\nbad film nobody saw\n")
    samples = read(tmp_path / "texts.txt", tokenizer, BERT)
    assert [sample.inputs["input_ids"].tolist() for sample in samples] == [[1, 3, 5, 2], [1, 4, 5, 0, 0, 2]]
    assert samples[0].inputs["attention_mask"].tolist() == [1] * 4
    assert samples[0].label is None
    short = read(tmp_path / "texts.txt", tokenizer, BERT, max_length=4)
    assert short[1].inputs["input_ids"].tolist() == [1, 4, 5, 2]


def test_a_fixed_length_is_padded(tmp_path: Path, tokenizer: Path):
    (tmp_path / "texts.txt").write_text("good film\n")
    inputs = read(tmp_path / "texts.txt", tokenizer, ids("ids", "mask", length=6))[0].inputs
    assert inputs["ids"].tolist() == [1, 3, 5, 2, 7, 7]
    assert inputs["mask"].tolist() == [1, 1, 1, 1, 0, 0]


def test_objects_and_columns_answer(tmp_path: Path, tokenizer: Path):
    objects = [{"text": "good", "label": 1}, {"text": "bad", "label": 0, "text_pair": "film"}]
    (tmp_path / "texts.jsonl").write_text("\n".join(json.dumps(item) for item in objects))
    samples = read(tmp_path / "texts.jsonl", tokenizer, BERT)
    assert [int(sample.label) for sample in samples if sample.label is not None] == [1, 0]
    assert samples[1].inputs["token_type_ids"].tolist() == [0, 0, 0, 1, 1]
    (tmp_path / "texts.csv").write_text('review,target\n"good, film",0.5\n')
    column = read(tmp_path / "texts.csv", tokenizer, BERT, text="review")[0]
    assert column.target == 0.5
    assert column.inputs["input_ids"].tolist() == [1, 3, 0, 5, 2]


BAD = {
    "no object": ("texts.jsonl", "3\n", "line 1 is no JSON object"),
    "no json": ("texts.jsonl", "{\n", "line 1 is no JSON"),
    "no text": ("texts.jsonl", '{"text": 3}\n', "has no text under 'text'"),
    "bad label": ("texts.jsonl", '{"text": "good", "label": true}\n', "no class index"),
    "bad target": ("texts.jsonl", '{"text": "good", "target": {"a": 1}}\n', "target"),
    "no column": ("texts.csv", "words\ngood\n", "has no column 'text'"),
    "deep": ("texts.jsonl", "[" * 100_000 + "\n", "line 1 is no JSON"),
}


@pytest.mark.parametrize("name", BAD)
def test_hostile_texts(name: str, tmp_path: Path, tokenizer: Path):
    file, content, words = BAD[name]
    (tmp_path / file).write_text(content)
    with pytest.raises(DataError, match=words) as caught:
        read(tmp_path / file, tokenizer, BERT)
    assert "\n" not in caught.value.message


def test_tokenizers_that_are_none(tmp_path: Path, tokenizer: Path):
    (tmp_path / "texts.txt").write_text("good\n")
    with pytest.raises(DataError, match="name the tokenizer's file"):
        list(read_source(str(tmp_path / "texts.txt"), Wanted(BERT)))
    with pytest.raises(DataError, match="is no tokenizer"):
        read(tmp_path / "texts.txt", tmp_path / "missing.json", BERT)
    (tmp_path / "broken.json").write_text('{"model": 3}')
    with pytest.raises(DataError, match=r"'broken\.json' cannot be read"):
        read(tmp_path / "texts.txt", tmp_path / "broken.json", BERT)
    with pytest.raises(DataError, match="leaves no room"):
        read(tmp_path / "texts.txt", tokenizer, BERT, max_length=2)


def test_inputs_that_no_token_feeds(tmp_path: Path, tokenizer: Path):
    (tmp_path / "texts.txt").write_text("good\n")
    with pytest.raises(DataError, match="which are no tokens"):
        read(tmp_path / "texts.txt", tokenizer, (InputSpec("x", np.dtype(np.float32), ("n", 4)),))
    with pytest.raises(DataError, match="cannot tell which input"):
        read(tmp_path / "texts.txt", tokenizer, ids("one", "other"))
