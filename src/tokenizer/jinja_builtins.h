// Filters, tests and methods of the template interpreter, by name; an unknown one is an error that
// names it.  Private to tokenizer/.
#pragma once

#include <string>

#include "tokenizer/jinja_value.h"

namespace pawl::jinja {

Result<Value> ApplyFilter(const std::string& name, const Value& value, const Arguments& arguments);
Result<bool> ApplyTest(const std::string& name, const Value& value, const Arguments& arguments);
// value.name(...) of strings, lists and dicts.
Result<Value> CallMethod(const Value& value, const std::string& name, const Arguments& arguments);

Result<long long> LengthOf(const Value& value);
Result<List> Iterate(const Value& value);  // what a for loop sees
Result<bool> Contains(const Value& container, const Value& item);
Result<Value> Index(const Value& value,
                    const Value& key);  // value[key]; undefined where there is none
Value Attribute(const Value& value,
                const std::string& name);  // value.name; undefined where there is none
Result<Value> Slice(const Value& value, const Value& begin, const Value& end, const Value& step);

}  // namespace pawl::jinja
