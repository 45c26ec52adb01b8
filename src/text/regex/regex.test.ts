import { describe, expect, test } from "vitest";
import { HoneError } from "../../util/errors.ts";
import { fullMatcher } from "./match.ts";

const matches = (pattern: string, ...texts: readonly string[]): readonly string[] => texts.filter(fullMatcher(pattern));

describe("patterns match whole texts", () => {
  test.each<[string, readonly string[], readonly string[]]>([
    ["abc", ["abc"], ["ab", "abcd", "xabc"]],
    ["a|bc|", ["a", "bc", ""], ["b", "abc"]],
    ["a*b+c?", ["b", "aabbc", "bc"], ["ac", "aab c"]],
    ["(ab){2,3}", ["abab", "ababab"], ["ab", "abababab"]],
    ["x{3}y{2,}", ["xxxyy", "xxxyyyy"], ["xxyy", "xxxy"]],
    ["a{,2}", ["a{,2}"], ["a", "aa"]],
    ["[a-c\\d_-]+", ["a-1_c"], ["d", ""]],
    ["[^]a]x", ["bx"], ["]x", "ax"]],
    ["[[:alpha:]][[:^digit:]]", ["ab", "z!"], ["a1", "1a"]],
    ["(?i)straSSe", ["STRASSE", "strasse"], ["strase"]],
    ["(?i:a)b", ["Ab", "ab"], ["AB"]],
    ["(?i)[^a]", ["b"], ["a", "A"]],
    ["(?P<word>\\w+)\\s(?<more>\\S)", ["ab c"], ["ab  c"]],
    ["\\bcat\\b.*", ["cat", "cat!"], ["cats"]],
    ["a.c", ["abc", "a€c", "a😀c"], ["a\nc", "ac"]],
    ["(?s)a.c", ["a\nc"], []],
    ["(?m)a$\\n^b", ["a\nb"], ["ab"]],
    ["a$\\nb", [], ["a\nb"]],
    ["\\p{Greek}+\\pN\\P{L}", ["λμ1-"], ["ab1-", "λ1λ"]],
    ["\\Qa.b*\\E+", ["a.b*", "a.b**"], ["aXb"]],
    ["\\x41\\x{1F600}\\101", ["A😀A"], ["AA"]],
    ["(a*)*", ["", "aaa"], ["b"]],
    ["(|a)+b", ["b", "aab"], ["a"]],
    ["", [""], ["a"]],
    ["a+?b*?", ["a", "aabb"], ["b"]],
  ])("%s", (pattern, yes, no) => {
    expect(matches(pattern, ...yes, ...no)).toEqual(yes);
  });
});

test("no pattern takes more than its length times the text's", { timeout: 20_000 }, () => {
  const long = "a".repeat(2000);
  expect(matches("(a+)+b", long)).toEqual([]);
  expect(matches("(a|a|a?)*c", long)).toEqual([]);
  expect(matches("((a?){50}){4}", "a".repeat(200))).toHaveLength(1);
});

test.each([
  "(",
  "a)",
  "*",
  "a{2,1}",
  "a{1001}",
  "(?=a)",
  "(?<=a)",
  "(?!a)",
  "(a)\\1",
  "[b-a]",
  "[a",
  "\\p{Nowhere}",
  "\\",
  "\\k<a>",
  "(?P<a",
])("%s is refused with a reason", (pattern) => {
  expect(() => fullMatcher(pattern)).toThrow(HoneError);
});

test("repetitions that multiply are refused, not written out", () => {
  expect(() => fullMatcher("((a{1000}){1000}){1000}")).toThrow(/states/);
  expect(() => fullMatcher("(((){1000}){1000}){1000}")).toThrow(/states/);
  expect(() => fullMatcher("(".repeat(5000))).toThrow(/nested/);
  expect(() => fullMatcher(`a${"*".repeat(50_000)}`)).toThrow(/repetition of a repetition/);
});
