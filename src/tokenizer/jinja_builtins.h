// Filters, tests, methods and globals of the template interpreter, by name; an unknown one is an
// error that names it.  Private to tokenizer/.
#pragma once

#include <span>
#include <string>

#include "tokenizer/jinja_value.h"

namespace pawl::jinja {

Result<Value> ApplyFilter(const std::string& name, const Value& value, const Arguments& arguments);
Result<bool> ApplyTest(const std::string& name, const Value& value, const Arguments& arguments);

// One value per parameter, undefined where it is not given; an error for any other argument.
Result<List> BindArguments(const std::string& function, const Arguments& arguments,
                           std::span<const char* const> parameters);

struct Filter {
  const char* name;
  std::vector<const char*> parameters;
  Result<Value> (*apply)(const Value& value, const List& arguments);
};
// The filters that make, sort or reduce lists.
const std::vector<Filter>& SequenceFilters();

// value.name as a function, if value has such a method; the sandbox's forbidden ones fail when
// called.
std::optional<Value> Method(const Value& value, const std::string& name);

Result<long long> LengthOf(const Value& value);
Result<List> Iterate(const Value& value);  // what a for loop sees
Result<bool> Contains(const Value& container, const Value& item);
// value[key], value.name: undefined where there is none.
Result<Value> Index(const Value& value, const Value& key);
Result<Value> Attribute(const Value& value, const std::string& name);
Result<Value> Slice(const Value& value, const Value& begin, const Value& end, const Value& step);
// An undefined or null value counts as not given.
bool Given(const Value& value);
// item.attribute, dotted names and list indices allowed ("function.name", "0").
Result<Value> AttributePath(const Value& item, const Value& attribute);
// Entries as (key, value) tuples.
Result<List> ItemsOf(const Value& mapping);
Result<Value> JoinItems(const Value& items, const Text& separator, const Value& attribute);

// raise_exception, range, namespace, dict, strftime_now.
std::vector<std::pair<std::string, Value>> Globals();

}  // namespace pawl::jinja
