#include <gtest/gtest.h>

#include <string>

#include "tokenizer/chat_template.h"

namespace pawl {
namespace {

std::string ErrorOf(const std::string& source, const std::string& variables = "{}") {
  const auto parsed = ChatTemplate::Parse(source);
  if (!parsed) return parsed.error().message;
  const auto rendered = parsed->Render(variables);
  return rendered ? "no error: " + rendered->text.substr(0, 100) : rendered.error().message;
}

std::string Repeated(const std::string& text, int count) {
  std::string out;
  for (int i = 0; i < count; ++i) out += text;
  return out;
}

TEST(TemplateLimits, EndlessWorkIsStopped) {
  const std::string loops =
      "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}";
  EXPECT_EQ(ErrorOf(loops), "the template took more than 2000000 steps");
}

TEST(TemplateLimits, EndlessRecursionIsStopped) {
  EXPECT_EQ(ErrorOf("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"),
            "the template is nested deeper than 400");
}

TEST(TemplateLimits, StringsThatDoubleAreStopped) {
  EXPECT_EQ(ErrorOf("{% set n = namespace(s='xxxxxxxxxxxxxxxx') %}{% for i in range(60) %}"
                    "{% set n.s = n.s + n.s %}{% endfor %}"),
            "a string is longer than 16777216 bytes");
  EXPECT_EQ(ErrorOf("{{ 'ab' * 999999999999 }}"), "a string is longer than 16777216 bytes");
  EXPECT_EQ(ErrorOf("{{ (['a' * 9000000] * 9) | join }}"),
            "a string is longer than 16777216 bytes");
  EXPECT_EQ(ErrorOf("{% for i in range(9) %}{{ 'a' * 9000000 }}{% endfor %}"),
            "the template wrote more than 16777216 bytes");
}

TEST(TemplateLimits, ListsThatGrowAreStopped) {
  EXPECT_EQ(ErrorOf("{% set n = namespace(l=[1]) %}{% for i in range(60) %}"
                    "{% set n.l = n.l + n.l %}{% endfor %}"),
            "a list has more than 200000 items");
  EXPECT_EQ(ErrorOf("{{ [1] * 99999999999 }}"), "a list has more than 200000 items");
  EXPECT_EQ(ErrorOf("{% set n = namespace(l=[]) %}{% for i in range(9999) %}"
                    "{% set n.l = [n.l] %}{% endfor %}"),
            "lists are nested deeper than 100");
}

TEST(TemplateLimits, NamespacesInACircleAreFreed) {
  EXPECT_EQ(ErrorOf("{% set n = namespace() %}{% set m = namespace(n=n) %}{% set n.m = m %}ok"),
            "no error: ok");
}

TEST(TemplateLimits, DeepSourcesAreRefused) {
  EXPECT_EQ(ErrorOf("{{ " + Repeated("(", 5000) + "1" + Repeated(")", 5000) + " }}"),
            "template line 1: nested deeper than 100 levels");
  EXPECT_EQ(ErrorOf("{{ 1" + Repeated(" + 1", 5000) + " }}"),
            "template line 1: an expression is deeper than 200 operations");
  EXPECT_EQ(ErrorOf(Repeated("{% if 1 %}", 5000)),
            "template line 1: nested deeper than 100 levels");
  EXPECT_EQ(ErrorOf("{{ " + Repeated("not ", 5000) + "1 }}"),
            "template line 1: nested deeper than 100 levels");
  EXPECT_EQ(ErrorOf("{{ " + Repeated("-", 5000) + "1 }}"),
            "template line 1: nested deeper than 100 levels");
}

TEST(TemplateErrors, NameWhatIsNotSupported) {
  EXPECT_EQ(ErrorOf("a\n{% include 'x' %}"), "template line 2: {% include %} is not supported");
  EXPECT_EQ(ErrorOf("{% call f() %}{% endcall %}"), "template line 1: {% call %} is not supported");
  EXPECT_EQ(ErrorOf("{% for a in [] recursive %}{% endfor %}"),
            "template line 1: {% for ... recursive %} is not supported");
  EXPECT_EQ(ErrorOf("{% set a | upper %}x{% endset %}"),
            "template line 1: {% set name | filter %} is not supported");
  EXPECT_EQ(ErrorOf("{{ f(*a) }}"), "template line 1: * and ** in a call are not supported");
  EXPECT_EQ(ErrorOf("{{ 1 | urlize }}"), "No filter named 'urlize'.");
  EXPECT_EQ(ErrorOf("{{ 1 is green }}"), "No test named 'green'.");
  EXPECT_EQ(ErrorOf("{{ 'a'.encode() }}"), "the method str.encode is not supported in templates");
  EXPECT_EQ(ErrorOf("{{ '{} {x}'.format(1, x=2) }}"),
            "the method str.format is not supported in templates");
  EXPECT_EQ(ErrorOf("{{ 'a'.no_such() }}"), "'no_such' is undefined");
  EXPECT_EQ(ErrorOf("{{ 'a' | upper(1) }}"), "upper() takes at most 0 arguments, got 1");
  EXPECT_EQ(ErrorOf("{{ 'a' | trim(x=1) }}"), "trim() got an unexpected argument 'x'");
  EXPECT_EQ(ErrorOf("{{ 10000000000000000000000 + 1 }}"),
            "template line 1: \"10000000000000000000000\" is not an integer of 64 bits");
  EXPECT_EQ(ErrorOf("{{ a + 1 }}", R"({"a":10000000000000000000000})"),
            "arithmetic with integers beyond 64 bits is not supported");
}

TEST(TemplateErrors, NameTheLineOfAMistake) {
  EXPECT_EQ(ErrorOf("\n\n{{ x y }}"), "template line 3: expected }}, found \"y\"");
  EXPECT_EQ(ErrorOf("{% if 1 %}"), "template line 1: expected {% endif %}");
  EXPECT_EQ(ErrorOf("\n{# x"), "template line 2: a comment is not closed");
  EXPECT_EQ(ErrorOf("{{ x"), "template line 1: a tag is not closed");
  EXPECT_EQ(ErrorOf("{{ 'x }}"), "template line 1: a string is not closed");
  EXPECT_EQ(ErrorOf("{{ '\\ud800' }}"), "template line 1: a string has a bad escape");
  EXPECT_EQ(ErrorOf("{{ ? }}"), "template line 1: unexpected character '?'");
  EXPECT_EQ(ErrorOf("\xFF"), "template: is not UTF-8");
  EXPECT_EQ(ErrorOf("{% macro f(a=1, b) %}{% endmacro %}"),
            "template line 1: a macro's parameter without a default follows one with a default");
}

TEST(TemplateErrors, NameWhatIsWrongWithTheVariables) {
  EXPECT_EQ(ErrorOf("x", "{"), "line: not valid JSON at byte 2");
  EXPECT_EQ(ErrorOf("x", "[]"), "line: is not a JSON object");
  EXPECT_EQ(ErrorOf("x", std::string("{}\0{", 4)), "line: not valid JSON at byte 3");
  EXPECT_EQ(ErrorOf("x", Repeated("[", 100)), "line: nested deeper than 64 levels");
}

TEST(TemplateNumbers, KeepTheirSpelling) {
  const auto parsed = ChatTemplate::Parse("{{ messages | tojson }}");
  ASSERT_TRUE(parsed);
  const std::string numbers =
      "[1.0, 1e-05, 1e+16, -0.0, 9007199254740993, 0, -0.5, 123456789012345678901234567890]";
  const auto rendered = parsed->Render("{\"messages\": " + numbers + "}");
  ASSERT_TRUE(rendered) << rendered.error().message;
  EXPECT_EQ(rendered->text, numbers);
  const auto infinite = parsed->Render(R"({"messages": [1e400, -1e400, 1e-400]})");
  ASSERT_TRUE(infinite) << infinite.error().message;
  EXPECT_EQ(infinite->text, "[Infinity, -Infinity, 0.0]");
}

}  // namespace
}  // namespace pawl
