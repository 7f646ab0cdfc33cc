"""Kubernetes' CEL libraries: values written out, and what is refused."""

from __future__ import annotations

import pytest

from apiserver.dynamicadmission.expressions import EvaluationFailed, Expression

TRUE = """
quantity('1Gi').isGreaterThan(quantity('500M'))
quantity('1').add(quantity('200m')).compareTo(quantity('1200m')) == 0
quantity('1').sub(2).sign() == -1
quantity('2k').asInteger() == 2000 && !quantity('1500m').isInteger()
isQuantity('1.5Gi') && !isQuantity('many')
semver('1.2.3').isLessThan(semver('1.10.0')) && semver('1.0.0-alpha.1').isLessThan(semver('1.0.0'))
semver('v1.02', true).minor() == 2 && !isSemver('v1.2') && isSemver('1.2.3+b')
semver('1.0.0-2').isLessThan(semver('1.0.0-10')) && semver('1.0.0-10').isLessThan(semver('1.0.0-a'))
ip('10.0.0.1').family() == 4 && ip('::1').isLoopback() && ip('fe80::1').isLinkLocalUnicast()
ip('10.0.0.1').isGlobalUnicast() && !ip('255.255.255.255').isGlobalUnicast() && isIP('::1') && !isIP('1')
!ip.isCanonical('2001:DB8::1') && ip.isCanonical('2001:db8::1')
cidr('10.0.0.0/8').containsIP('10.1.1.1') && !cidr('10.0.0.0/8').containsIP(ip('11.1.1.1'))
cidr('10.0.0.0/8').containsCIDR('10.9.0.0/16') && cidr('10.1.0.0/8').masked().containsIP('10.0.0.1')
cidr('10.0.0.0/8').prefixLength() == 8 && cidr('::1/128').ip().isLoopback() && !isCIDR('10.0.0.0')
url('https://[::1]:80/x/y?a=1&a=2').getHost() == '[::1]:80' && url('/x').getScheme() == ''
url('https://h:80/x/y?a=1&a=2').getQuery() == {'a': ['1', '2']} && url('https://h:80/x/y').getEscapedPath() == '/x/y'
[1, 2, 2].isSorted() && [3, 1].sort() == [1, 3] && [1, 2].sum() == 3 && ['b', 'a'].min() == 'a'
[1, 2, 1].indexOf(2) == 1 && [1, 2, 1].lastIndexOf(1) == 2 && [1, 1, 2].distinct() == [1, 2]
[1, [2, [3]]].flatten() == [1, 2, [3]] && [1, 2, 3].slice(1, 2) == [2] && lists.range(2) == [0, 1]
sets.contains([1, 2], [1]) && sets.equivalent([1, 2], [2, 1, 1]) && !sets.intersects([1], [2])
object.?missing.orValue(1) == 1 && object[?'a'].hasValue()
'a,b'.split(',') == ['a', 'b'] && '%s-%d'.format(['x', 1]) == 'x-1' && 'abc'.matches('^a.c$')
"a 12 b 3".find("[0-9]+") == "12" && "a".find("b") == "" && "a 12 b 3".findAll("[0-9]+") == ["12", "3"]
"ab".findAll("") == ["", "", ""] && "abc".findAll("a|b|c", 2) == ["a", "b"] && "abc".findAll("b", 0) == []
object.l.all(x, true) || {"a": 1}.all(k, v, k == "a" && v == 1) && [3, 4].exists(i, v, i == 1 && v == 4)
{"a": 1}.transformMap(k, v, v + 1) == {"a": 2} && [1].transformMapEntry(i, v, {v: i}) == {1: 0}
[1, 2].transformList(i, v, i > 0, v) == [2] && [1, 2].existsOne(i, v, v == 2)
string(ip('2001:DB8::1')) == '2001:db8::1' && string(cidr('10.0.0.0/8')) == '10.0.0.0/8' && string(1) == '1'
!format.dns1123Label().validate('a').hasValue() && format.dns1123LabelPrefix().validate('a-') == optional.none()
format.named('uuid').value().validate('x').value() == ['does not match the UUID format']
format.uri().validate('x').value()[0] == 'parse "x": invalid URI for request' && !format.named('none').hasValue()
[format.byte(), format.date(), format.datetime()].all(i, f, f.validate('!').orValue(['']).join(',') != '')
[{'a': 2}, {'a': 1}].sortBy(x, x.a) == [{'a': 1}, {'a': 2}] && [3, 1, 2].sortBy(x, -x).map(x, x + 1) == [4, 3, 2]
[optional.of(1), optional.none()].unwrapOpt() == [1] && optional.unwrap([optional.none(), optional.of(2)]) == [2]
math.greatest(1, 2) == 2 && jsonpatch.escapeKey('a/b~') == 'a~1b~0'
""".strip().splitlines()


@pytest.mark.parametrize("text", TRUE)
def test_what_holds(text: str) -> None:
    assert Expression(text, ("object",)).evaluate({"object": {"a": 1}}) is True


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("quantity('many')", "quantities must match the regular expression"),
        ("semver('1.2')", "Invalid version: 1.2"),
        ("ip('x').family()", "IP Address 'x' parse error during conversion from string: unable to parse IP"),
        ("[].max()", "max called on empty list"),
        ("semver('1.2.3').isLessThan(quantity('1'))", "no such overload"),
        ("string({1: 2})", "no such overload"),
        ("format.date() == 1 || quantity('1').validate('1').hasValue()", "no such overload"),
        ("[1].slice(0, 2)", "cannot slice(0, 2), list length is 1"),
        ("lists.range(2000000)", "operation cancelled: actual cost limit exceeded"),
        ("object.l.all(x, object.l.all(y, true))", "operation cancelled: actual cost limit exceeded"),
        ("object.l.all(x, object.l.sort().size() > 0)", "operation cancelled: actual cost limit exceeded"),
    ],
)
def test_what_cannot_be_evaluated(text: str, why: str) -> None:
    with pytest.raises(EvaluationFailed) as failure:
        Expression(text, ("object",)).evaluate({"object": {"l": list(range(2000))}})
    assert str(failure.value).startswith(why)


@pytest.mark.parametrize("text", ["format.none()", "nosuch(1)", "other == 1", "cel.bind(x, 1, x)"])
def test_what_is_refused_when_written(text: str) -> None:
    with pytest.raises(ValueError, match="undeclared reference"):
        Expression(text, ("object",))
