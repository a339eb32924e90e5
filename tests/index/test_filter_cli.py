from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tart import Document, Encoder
from tart.__main__ import tart
from tart.errors import QueryError, TartError
from tart_index import BuildOptions, Corpus, build_index
from tart_index.filters import AllOf, AnyOf, Comparison
from tart_index.where import parse_condition, read_filter


def run(*arguments: object, stdin: str | None = None) -> Result:
    """Runs the command in this process."""
    return CliRunner().invoke(tart, [str(argument) for argument in arguments], input=stdin)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, encoder: Encoder) -> Path:
    """Six documents: code and text by turns, 2018 to 2023."""
    documents = [
        Document(
            f"d{number}",
            f"merge two lists {number}",
            metadata={"kind": "text" if number % 2 else "code", "year": 2018 + number, "day": f"2020-0{number + 1}-01"},
        )
        for number in range(6)
    ]
    path = tmp_path_factory.mktemp("filter-cli") / "i"
    build_index(Corpus.from_documents("documents", lambda: iter(documents)), path, encoder, BuildOptions(part_size=4))
    return path


def found(result: Result) -> set[str]:
    assert result.exit_code == 0, result.output
    return {hit["id"] for hit in json.loads(result.stdout)["data"]}


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        (("--where", "kind=code"), {"d0", "d2", "d4"}),
        (("--where", "kind=code", "-w", "year >= 2020"), {"d2", "d4"}),
        (("--where", "day < 2020-03-01"), {"d0", "d1"}),
        (("--where", "year=2020.0"), {"d2"}),
        (("--where", 'year="2020"'), set()),
        (("--filter", '{"type": "in", "key": "year", "value": [2018, 2019]}'), {"d0", "d1"}),
        (("--filter", '{"type": "ne", "key": "kind", "value": "code"}', "--where", "year>2020"), {"d3", "d5"}),
    ],
)
def test_only_documents_that_fit_are_shown(built: Path, options: tuple[str, ...], ids: set[str]) -> None:
    assert found(run("search", built, "merge lists", "--json", *options)) == ids


def test_lines_have_filters_of_their_own(built: Path) -> None:
    lines: list[Any] = [
        {"query": "merge"},
        {"query": "merge", "filter": {"type": "eq", "key": "year", "value": 2019}},
        {"query": "merge", "filter": None},
        {"query": "merge", "filter": {"type": "and", "filters": [{"type": "eq", "key": "year"}]}},
        {"query": "merge", "filter": "kind=code"},
    ]
    result = run("search", built, "-", "--where", "kind=code", stdin="".join(json.dumps(one) + "\n" for one in lines))
    assert result.exit_code == 1
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    ids = [{hit["id"] for hit in answer["data"]} for answer in answers[:3]]
    assert ids == [{"d0", "d2", "d4"}, {"d1"}, {f"d{number}" for number in range(6)}]
    assert answers[3]["error"] == "line 4: filter/filters/0/value: this field is missing; it has no default"
    assert answers[4]["error"] == "line 5: filter is 'kind=code', which is of the wrong type"


def test_why_nothing_fits_is_told(built: Path) -> None:
    result = run("search", built, "merge", "--where", "yaer = 2020")
    assert result.exit_code == 0
    assert result.stdout == "no hits\n"
    assert result.stderr == "tart: no document has the metadata key 'yaer'; there are: 'day', 'kind', 'year'\n"
    other_type = run("search", built, "merge", "--where", "day > 2020").stderr
    assert other_type == "tart: the metadata key 'day' holds no number; it holds: date in 6\n"
    nothing = '{"type": "in", "key": "year", "value": []}'
    assert "tart:" not in run("search", built, "merge", "--filter", nothing).stderr
    assert "tart:" not in run("search", built, "merge", "--where", "year = 1999").stderr


def test_info_shows_keys_types_and_counts(built: Path) -> None:
    lines = run("index", "info", built).stdout.splitlines()
    [line] = [line for line in lines if line.startswith("metadata ")]
    assert line.split(maxsplit=1)[1] == "day: date in 6; kind: string in 6; year: number in 6"
    body = json.loads(run("index", "info", built, "--json").stdout)
    assert body["metadata"] == {"day": {"date": 6}, "kind": {"string": 6}, "year": {"number": 6}}


@pytest.mark.parametrize(
    ("condition", "wanted"),
    [
        ("kind=code", ("eq", "kind", "code")),
        (" kind == code ", ("eq", "kind", "code")),
        ("a.b/c != x = y", ("ne", "a.b/c", "x = y")),
        ("year>=2020", ("gte", "year", 2020)),
        ("year <= 2.5", ("lte", "year", 2.5)),
        ("year>-1", ("gt", "year", -1)),
        ("year < 1e3", ("lt", "year", 1000.0)),
        ("two words = 1", ("eq", "two words", 1)),
        ("flag = true", ("eq", "flag", True)),
        ('zip="10115"', ("eq", "zip", "10115")),
        ("zip=01115", ("eq", "zip", "01115")),
        ("name=", ("eq", "name", "")),
        ("x=NaN", ("eq", "x", "NaN")),
        ("x=[1]", ("eq", "x", "[1]")),
        ("ключ=ä", ("eq", "ключ", "ä")),
    ],
)
def test_conditions(condition: str, wanted: tuple[Any, str, Any]) -> None:
    assert parse_condition(condition) == Comparison(*wanted)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--where", "kind"), "--where: found 'kind'; wanted KEY OPERATOR VALUE with one of = == != > >= < <="),
        (("--where", "=x"), "--where: found '=x'; wanted KEY OPERATOR VALUE"),
        (("--where", "kind=null"), "--where 'kind=null': found null; wanted a string, a number or a boolean"),
        (("--where", "kind > true"), "--where 'kind > true': found true; wanted a number or a string"),
        (("--filter", "kind=code"), "--filter: not JSON (Expecting value"),
        (("--filter", "[" * 100_000), "--filter: not JSON"),
        (("--filter", '{"type": "eq", "key": "k", "value": NaN}'), "filter/value: found nan; wanted a finite number"),
        (("--filter", "{}"), "filter/type: this field is missing"),
    ],
)
def test_malformed_options_are_refused(tmp_path: Path, options: tuple[str, str], message: str) -> None:
    result = run("search", tmp_path / "no-index", "merge", *options)
    assert isinstance(result.exception, TartError)
    assert str(result.exception).startswith(message)
    assert "\n" not in str(result.exception)


def test_options_are_joined() -> None:
    one, two = Comparison("eq", "a", 1), Comparison("eq", "b", 2)
    either = '{"type": "or", "filters": [{"type": "eq", "key": "a", "value": 1}]}'
    assert read_filter(None, []) is None
    assert read_filter(None, ["a=1"]) == one
    assert read_filter(either, ["a=1", "b=2"]) == AllOf((AnyOf((one,)), one, two))
    with pytest.raises(QueryError, match="wanted at most 100"):
        read_filter(None, ["a=1"] * 101)
