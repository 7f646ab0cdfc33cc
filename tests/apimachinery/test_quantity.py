"""Quantities: every suffix, exact sums, canonical forms, and what is refused in which words."""

from __future__ import annotations

import pytest

from miniplane.apimachinery.quantity import FORMAT_ERROR, SUFFIX_ERROR, Quantity, rounded_to_milli


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("0", "0"),
        ("1", "1"),
        ("+1", "1"),
        ("-1", "-1"),
        (".5", "500m"),
        ("5.", "5"),
        ("0.1", "100m"),
        ("1000m", "1"),
        ("1500m", "1500m"),
        ("1000", "1k"),
        ("1024", "1024"),
        ("1024Ki", "1Mi"),
        ("1536Mi", "1536Mi"),
        ("0.5Gi", "512Mi"),
        ("1.5Ki", "1536"),
        ("100Ei", "9223372036854775807"),
        ("1e3", "1e3"),
        ("129e6", "129e6"),
        ("12E-1", "1200e-3"),
        ("1E", "1E"),
        ("1E3", "1e3"),
        ("1n", "1n"),
        ("0.1n", "1n"),
        ("1000000u", "1"),
        ("128974848", "128974848"),
    ],
)
def test_canonical_form(text: str, canonical: str) -> None:
    assert Quantity.parse(text).canonical() == canonical


@pytest.mark.parametrize("text", ["", "lots", "1GiB", "1 Gi", "--1", "1e", "1.2.3", "Ki", "+", "1e1.5", "１"])
def test_refused(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        Quantity.parse(text)
    assert str(caught.value) in (FORMAT_ERROR, SUFFIX_ERROR)


def test_a_suffix_of_known_letters_has_its_own_message() -> None:
    with pytest.raises(ValueError, match="unable to parse quantity's suffix"):
        Quantity.parse("1Kk")


@pytest.mark.parametrize(("value", "canonical"), [(2, "2"), (0.25, "250m"), (1024, "1024")])
def test_numbers_of_json(value: float, canonical: str) -> None:
    assert Quantity.parse(value).canonical() == canonical


def test_whole_numbers_are_rounded_up() -> None:
    assert Quantity.parse("1500m").value() == 2
    assert Quantity.parse("-1500m").value() == -1
    assert Quantity.parse("0.0001").milli_value() == 1


def test_sums_are_exact_and_keep_the_family_of_the_first() -> None:
    assert (Quantity.parse("0.1") + Quantity.parse("0.2")).canonical() == "300m"
    assert (Quantity.parse("1Gi") + Quantity.parse("1024Mi")).canonical() == "2Gi"
    assert (Quantity.parse("2") - Quantity.parse("500m")).canonical() == "1500m"
    assert (Quantity.parse("0") + Quantity.parse("1Mi")).canonical() == "1Mi"


def test_order_looks_at_the_amount_alone() -> None:
    assert Quantity.parse("1Gi") == Quantity.parse("1073741824")
    assert Quantity.parse("999m") < Quantity.parse("1")
    assert max(Quantity.parse("1G"), Quantity.parse("1Gi")).canonical() == "1Gi"


@pytest.mark.parametrize(("text", "rounded"), [("0.0005", "1m"), ("100n", "1m"), ("1.5", "1500m"), ("1e-6", "1e-3")])
def test_resource_lists_hold_thousandths(text: str, rounded: str) -> None:
    assert rounded_to_milli(text) == rounded


def test_enormous_exponents_end() -> None:
    assert Quantity.parse("1e999999").canonical() == "9223372036854775807"
    assert Quantity.parse("1e-999999").canonical() == "1e-9"
